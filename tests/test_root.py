"""What root's commands do in folders that are the service's: a hole in the agent could have left links there, and root
must not be led by them.
"""

import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from agent.broker import probe
from agent.bundle import make_bundle
from agent.config import changes, load
from agent.config.write import edit
from agent.console.access import Access
from agent.doctor import login
from agent.doctor.case import open_case
from agent.errors import AgentError, ConfigError
from agent.simulator.resident import start_resident
from agent.unixuser import acting_as, owner_of
from tests.house import until
from tests.office import HandClock
from tests.shopfront import NOBODY, run_cli

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="root's own doings")
SAID = "root:*:19000:0:99999:7:::\n"


class Box:
    """The service's two folders, as nobody's, and a file of root's that only root may read."""

    def __init__(self, folder: Path) -> None:
        for above in (folder, *folder.parents):
            above.chmod(above.stat().st_mode | 0o055)
        self.etc, self.data, self.secret = folder / "etc", folder / "data", folder / "shadow"
        for each in (self.etc, self.data):
            each.mkdir()
            self.give(each)
        self.secret.write_text(SAID)
        self.secret.chmod(0o640)
        self.config = self.etc / "shop-agent.yaml"
        self.write("")

    def write(self, more: str) -> None:
        """The service writes the configuration."""
        wok = "printers:\n- {name: wok, link: 'virtual://wok'}\n"
        self.config.write_text(f"shop: s1\nagent: box1\ndata_dir: {self.data}\n{wok}{more}")
        self.give(self.config)

    def give(self, path: Path) -> None:
        """It is the service's."""
        os.chown(path, NOBODY, NOBODY, follow_symlinks=False)

    def link(self, path: Path, target: Path) -> None:
        """The service puts a link there."""
        path.symlink_to(target)
        self.give(path)

    @property
    def untouched(self) -> bool:
        """Is root's file as it was, and still root's?"""
        about = self.secret.stat()
        return (about.st_uid, about.st_mode & 0o777, self.secret.read_text()) == (0, 0o640, SAID)


@pytest.fixture
def box(tmp_path: Path) -> Box:
    """A machine with the service on it."""
    return Box(tmp_path)


def test_root_becomes_the_owner_and_is_root_again(box: Box) -> None:
    """Also where nobody knows the owner's name."""
    before = (os.geteuid(), os.getegid(), os.getgroups())
    os.chown(box.data, 12345, 23456)
    with acting_as(owner_of(box.data)):
        assert (os.geteuid(), os.getegid(), os.getgroups()) == (12345, 23456, [23456])
    assert (os.geteuid(), os.getegid(), os.getgroups()) == before


def test_reset_pin_leaves_all_with_the_service(box: Box) -> None:
    """What it makes the service can use."""
    done = run_cli(box.config, "reset-pin", "--json")
    assert done.exit_code == 0, done.output
    assert {(each.name, each.stat().st_uid) for each in box.data.iterdir()} == {
        ("access.json", NOBODY),
        ("access.lock", NOBODY),
    }


@pytest.mark.parametrize("name", ["access.lock", "access.json"])
def test_reset_pin_follows_no_link(box: Box, name: str) -> None:
    """Neither to a file of root's, which was given to the service once, nor to one that is not there yet."""
    box.link(box.data / name, box.secret)
    run_cli(box.config, "reset-pin")
    assert box.untouched
    (box.data / name).unlink()
    box.link(box.data / name, box.etc.parent / "ld.so.preload")
    run_cli(box.config, "reset-pin")
    assert not (box.etc.parent / "ld.so.preload").exists()


@pytest.mark.parametrize("plant", [Path.symlink_to, Path.hardlink_to])
@pytest.mark.parametrize(
    ("name", "do"),
    [
        ("access.lock", lambda data: Access(data).tell_code()),
        (changes.FILE, lambda data: changes.append(data / changes.FILE, b"{}\n")),
    ],
)
def test_no_file_of_roots_is_given_away_by_another_name(
    box: Box, plant: Callable[[Path, Path], None], name: str, do: Callable[[Path], object]
) -> None:
    """As `pair`, `setup` and `config` write, which stay root."""
    plant(box.data / name, box.secret)
    with pytest.raises(OSError):  # noqa: PT011  a link, or one that has two names
        do(box.data)
    assert box.untouched


def test_a_long_file_of_roots_is_not_copied(box: Box) -> None:
    """The list of changes is halved when it is long: not if it is a link."""
    box.secret.write_text("secret\n" * changes.MAX_BYTES)
    box.link(box.data / changes.FILE, box.secret)
    with pytest.raises(OSError):  # noqa: PT011
        changes.append(box.data / changes.FILE, b"{}\n")
    assert (box.data / changes.FILE).is_symlink()


def test_a_bundle_overwrites_nothing(box: Box) -> None:
    """Its unfinished file had a name that could be known."""
    clock = HandClock()
    (box.data / "bundles").mkdir()
    box.link(box.data / f"bundles/s1-box1-{clock.utc():%Y%m%d-%H%M%S}.part", box.secret)

    def no_journal() -> Any:
        raise OSError

    made = make_bundle(load(box.config), clock, no_journal, {})
    assert made.read_bytes().startswith(b"PK")
    assert box.untouched


def test_a_bundle_by_root_is_the_services_and_stays_in_its_folder(box: Box) -> None:
    """The agent makes the next one in the same folder."""
    done = run_cli(box.config, "support-bundle")
    assert done.exit_code == 0, done.output
    (made,) = (box.data / "bundles").iterdir()
    assert {each.stat().st_uid for each in (made, made.parent)} == {NOBODY}
    made.unlink()
    made.parent.rmdir()
    elsewhere = box.etc.parent / "cron.d"
    elsewhere.mkdir()
    box.link(box.data / "bundles", elsewhere)
    refused = run_cli(box.config, "support-bundle")
    assert isinstance(refused.exception, AgentError)
    assert list(elsewhere.iterdir()) == []


def test_setup_by_root_follows_no_link_of_the_services(box: Box, tmp_path: Path) -> None:
    """The unit at the boot does the same."""
    (source := tmp_path / "mine.yaml").write_text(box.config.read_text())
    for target, why in ((box.secret, "root follows no link here"), (tmp_path / "no/folder", "can't be written")):
        box.config.unlink()
        box.link(box.config, target)
        refused = run_cli(box.config, "setup", "--from", str(source)).exception
        assert isinstance(refused, ConfigError)
        assert why in str(refused)
    assert box.untouched


def test_root_follows_roots_links_as_far_as_they_are_roots(box: Box, tmp_path: Path) -> None:
    """Into a folder of the service's, where the next link may be, not."""
    real, link = tmp_path / "real.yaml", tmp_path / "link.yaml"
    real.write_text(box.config.read_text())
    link.symlink_to(real)
    edit(link, lambda tree: tree.update(language="zh"), by="test")
    assert link.is_symlink()
    assert "language: zh" in real.read_text()
    link.unlink()
    link.symlink_to(box.config)
    with pytest.raises(ConfigError, match="root follows no link here"):
        edit(link, lambda tree: tree.update(language="en"), by="test")
    assert "language" not in box.config.read_text()


@pytest.mark.parametrize("through", ["the file", "a link", "a folder"])
def test_the_doctor_sends_no_file_that_the_service_may_not_read(
    box: Box, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, through: str
) -> None:
    """Whoever may write the configuration chooses the broker, and the file that is sent to it as the password."""
    named = {"the file": box.secret, "a link": box.data / "link", "a folder": tmp_path / "home" / "note"}[through]
    if through == "a link":
        box.link(named, box.secret)
    if through == "a folder":
        named.parent.mkdir(mode=0o700)
        named.write_text(SAID)
    own = box.data / "pass"
    own.write_text("the-services-own\n")
    box.give(own)
    sent: list[str | None] = []

    def visit(_broker: Any, secret: str | None, *_rest: Any) -> probe.Visit:
        sent.append(secret)
        raise OSError

    monkeypatch.setattr(probe, "visit", visit)
    said = []
    for file in (named, own):
        box.write(f"broker: {{url: 'mqtt://127.0.0.1', username: u, password_file: {file}}}\n")
        case = open_case(box.config, lambda _printer, _folder: pytest.fail("no printer is opened here"))
        assert case.config is not None
        assert case.config.broker is not None
        said.append([found.why.en for found in login.log_in(case.config, case.config.broker, case)])
    assert sent == ["the-services-own"]
    assert "the password file can't be read (Permission denied)" in said[0][0]


def test_a_virtual_printers_paper_follows_no_link(box: Box) -> None:
    """`printers check` as root: whoever plants a link where the next ticket will be kept loses that link."""
    folder = box.data / "virtual"
    host, port = start_resident("wok", 48, folder)
    with socket.create_connection((host, port), 10) as line:
        for number in ("0001", "0002"):
            line.sendall(b"hello\n\x1dV\x00")
            until(lambda number=number: (folder / f"{number}.png").exists(), number)  # type: ignore[misc]
            if number == "0001":
                box.link(folder / "0002.txt", box.secret)
    assert box.untouched
    assert "hello" in (folder / "0002.txt").read_text()
