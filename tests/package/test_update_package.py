"""Updates as they are: real packages from a signed repository, apt and dpkg, on a bare Debian. scripts/test --package.

Only systemd is a stand-in here (updaterig.py); tests/vm has the true one.
"""

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.package import NEW, ON_BARE_DEBIAN, PROJECT, deb_name
from tests.package.chroot import Root
from tests.package.updaterig import SYSTEMCTL, Repository, as_version

pytestmark = ON_BARE_DEBIAN
ANY_HOUR = 'updates: {hours: "00:00-00:00"}\nintake: {clock: trust}\n'
UP = "systemctl start shop-agent.service\n"
DOWN = "\nsystemctl stop shop-agent.service"
WHO = "shop-agent status | sed -n 2p; dpkg-query -W -f '${Status} ${Version}\\n' shop-agent\n"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory, debs: Path) -> Path:
    """0.1.0, of the sources as they are, where others can be made of it."""
    return Path(shutil.copy(debs / deb_name(NEW), tmp_path_factory.mktemp("update-debs")))


class Box:
    """A system with the package from its repository; an agent runs only within a script."""

    def __init__(self, root: Root, repository: Repository) -> None:
        self.root = root
        self.repository = repository

    def run(self, script: str) -> str:
        """With the agent running, as at a boot; what all of it said."""
        return self.root.run(UP + script + DOWN).stdout

    def state(self) -> dict[str, object]:
        told: dict[str, object] = json.loads(self.root.text("/var/lib/shop-agent-update/state.json"))
        return told


@pytest.fixture(scope="module", params=["bookworm", "trixie"])
def box(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, built: Path) -> Iterator[Box]:
    """0.1.0 installed; its tests run in the order in which they stand here."""
    folder = tmp_path_factory.mktemp("update")
    root = Root(request.param, folder / request.param)
    repository = Repository(root, folder / "gpg")
    repository.publish(built)
    shutil.copy(PROJECT / "scripts/install", root.folder / "root/install")
    root.run("sh /root/install file:/repo && rm /usr/sbin/policy-rc.d", network=True)
    (root.folder / "run/systemd/system").mkdir(parents=True)
    for program in ("usr/bin/systemctl", "usr/bin/deb-systemd-invoke"):
        (root.folder / program).write_text(SYSTEMCTL)
        (root.folder / program).chmod(0o755)
    made = Box(root, repository)
    made.run("true")  # the first start makes the configuration
    with (root.folder / "etc/shop-agent/shop-agent.yaml").open("a") as file:
        file.write(ANY_HOUR)
    yield made
    shutil.rmtree(root.folder)


def _falls_over(root: Path) -> None:
    """A release whose agent does not start."""
    app = next(root.glob("usr/lib/shop-agent/*/agent/app.py"))
    app.write_text(app.read_text() + "\nraise SystemExit('broken on purpose')\n")


def _cannot_be_loaded(root: Path) -> None:
    """A release in which nothing works, not even its own updater."""
    next(root.glob("usr/lib/shop-agent/*/agent/__init__.py")).write_text("raise SystemExit('broken on purpose')\n")


def _no_way_back(root: Path) -> None:
    """A release whose journal no older one can go on with."""
    control = root / "DEBIAN/control"
    lines = [line for line in control.read_text().splitlines() if not line.startswith("Journal-Oldest:")]
    control.write_text("\n".join([*lines[:4], "Journal-Oldest: 99", *lines[4:], ""]))


def test_a_newer_version_is_installed_and_proved(box: Box, built: Path) -> None:
    """It comes from the signed repository, its doctor says that all is as before, and it stays. Lists of apt's that a
    power cut left empty do not hold it up.
    """
    box.repository.publish(as_version(built, "0.2.0"))
    box.root.run('for list in /var/lib/apt/lists/*_*; do [ ! -f "$list" ] || : >"$list"; done')
    said = box.run("shop-agent update\n" + WHO)
    assert "0.2.0 runs" in said, said
    assert "install ok installed 0.2.0" in said
    assert "程序 agent  0.2.0" in said
    assert box.state()["trial"] is None
    assert "0.2.0 is the newest there is" in box.run("shop-agent update")


@pytest.mark.parametrize(("version", "change"), [("0.3.0", _falls_over), ("0.3.1", _cannot_be_loaded)])
def test_a_broken_version_is_undone_and_not_tried_again(
    box: Box, built: Path, version: str, change: Callable[[Path], None]
) -> None:
    """Its doctor says no, or can't even speak: the version of before runs within the same minutes. One that falls over
    again and again is not waited for.
    """
    box.repository.publish(as_version(built, version, change))
    said = box.run("shop-agent update; echo exit $?\n" + WHO)
    assert f"{version} was undone" in said
    assert ("it fell over 3 times" in said) is (change is _falls_over)
    assert "exit 1" in said
    assert "install ok installed 0.2.0" in said
    assert "程序 agent  0.2.0" in said
    assert f"{version} was undone" in box.run("shop-agent update; cat /var/lib/shop-agent-update/state.json")


@pytest.mark.parametrize(("version", "step"), [("0.4.0", "update.after_begin"), ("0.4.1", "update.after_install")])
def test_an_update_that_was_cut_off_is_undone_at_the_next_start(box: Box, built: Path, version: str, step: str) -> None:
    """Whatever the new version is like: here nothing in it works. What runs then is the old one, wholly installed."""
    box.repository.publish(as_version(built, version, _cannot_be_loaded))
    said = box.run(f"SHOP_AGENT_CRASH={step} shop-agent update")
    assert "step=begin" in said
    assert box.state()["trial"] is not None
    said = box.run("python3 -IS /var/lib/shop-agent-update/rescue.pyz\n" + WHO)
    assert "install ok installed 0.2.0" in said
    assert "程序 agent  0.2.0" in said
    assert box.state()["trial"] is None
    assert box.root.run("dpkg --audit; dpkg --verify shop-agent").stdout == ""


def test_a_version_without_a_way_back_waits_for_a_person(box: Box, built: Path) -> None:
    """Whose journal the present version could not go on with is not installed by itself."""
    box.repository.publish(as_version(built, "0.5.0", _no_way_back))
    said = box.run("shop-agent update\n" + WHO)
    assert "by hand: sudo apt install shop-agent=0.5.0" in said
    assert "install ok installed 0.2.0" in said


def test_a_damaged_way_back_is_not_begun(box: Box, built: Path) -> None:
    """dpkg would find it out with the agent stopped, at each start again: the new version runs on, and that is said."""
    box.repository.publish(as_version(built, "0.6.0"))
    box.run("SHOP_AGENT_CRASH=update.after_install shop-agent update")
    with (box.root.folder / "var/lib/shop-agent-update/previous.deb").open("r+b") as file:
        file.seek(file.seek(0, 2) // 2)
        file.write(bytes(4096))
    rescue = "cat /run/agent.pid; python3 -IS /var/lib/shop-agent-update/rescue.pyz; cat /run/agent.pid\n"
    said = box.run(rescue + WHO)
    assert "update.stays reason=0.2.0 can't come back, its copy is damaged" in said
    assert said.split("\n")[0] in said.split("\n")[1:]  # it was not stopped
    assert "install ok installed 0.6.0" in said
    assert box.state()["trial"] is None
