"""A box that brings itself up to date from a signed repository, and whose plug is pulled at every step of it.

Each cut is followed by a whole boot from that very disk: what runs then is the old version or the new one, as the
table of the steps says, and every order is on paper once.
"""

import json
import random
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent import __version__
from agent.update.procedure import STEPS
from tests.package.updaterig import as_version
from tests.vm.box import Box, powered
from tests.vm.image import Image
from tests.vm.outside import PATIENCE_S, PLAIN, Outside, outside, plug_in, shell, until
from tests.vm.packages import package, repository
from tests.vm.qemu import Hardware
from tests.vm.system import system

GOOD, BROKEN = "9.1.0", "9.2.0"
WITHIN_S = {"install": 15.0, "prove": 8.0, "back": 15.0}
"""How long after a step's beginning the plug may be pulled; the others are short."""
ORDER_EVERY_S = 3.0
SETTINGS = 'updates: {hours: "00:00-00:00"}\nintake: {clock: trust}\n'
SOURCE = """Types: deb
URIs: file:/project/VERSION
Suites: stable
Components: main
Signed-By: /project/VERSION/shop-agent.gpg
"""
NOT_IN_THE_IMAGE = "grep -v ' /usr/share/\\(doc\\|man\\)/' || true"
"""It is kept small: it has no manuals."""
CUTS = [(step, BROKEN if step == "back" else GOOD) for step in STEPS]


class Rig:
    """A box with this version, on a disk of its own, and its memory of a quiet moment."""

    def __init__(self, image: Image, around: Outside, packages: tuple[Path, ...]) -> None:
        self.image, self.around = image, around
        self._packages = packages
        self._kept, self._state = around.folder / "kept.img", around.folder / "memory"
        self.disk = around.folder / "root.img"

    def hardware(self, state: Path | None = None) -> Hardware:
        """The machine; with a `state` it goes on from there."""
        return self.around.hardware(words=PLAIN, packages=self._packages, root=self.disk, state=state)

    def prepare(self) -> None:
        """Its first boot, up to the quiet moment."""
        _copy(self.image.disk, self.disk)
        with powered(self.image, self.hardware()) as box:
            plug_in(box)
            self.around.settings = SETTINGS
            self.around.configure(box)
            self.around.wait_online()
            self.around.wait_printed(self.around.order())
            shell(box, "sync")
            box.machine.save(self._state)
        self.disk.rename(self._kept)

    def again(self) -> Hardware:
        """From the quiet moment on."""
        _copy(self._kept, self.disk)
        return self.hardware(self._state)


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    """This version runs; the repository has a newer one, and another has one that is broken."""
    folder = tmp_path_factory.mktemp("update")
    deb = Path(shutil.copy(package(), folder))
    good, broken = as_version(deb, GOOD), as_version(deb, BROKEN, falls_over)
    repositories = (repository(folder / GOOD, good), repository(folder / BROKEN, broken))
    with outside(folder) as around:
        made = Rig(system("amd64", package()), around, repositories)
        made.prepare()
        yield made


def falls_over(root: Path) -> None:
    """A release whose agent does not start."""
    app = next(root.glob("usr/lib/shop-agent/*/agent/app.py"))
    app.write_text(app.read_text() + "\nraise SystemExit('broken on purpose')\n")


@pytest.mark.parametrize(("step", "version"), CUTS, ids=[step for step, _ in CUTS])
def test_the_plug_pulled_at_a_step_leaves_the_old_or_the_new_version(rig: Rig, step: str, version: str) -> None:
    """Also while orders come: none is lost or doubled, and dpkg has nothing left half-way."""
    chance = random.Random(step)
    with powered(rig.image, rig.again()) as box:
        begin(box, version, step)
        with rig.around.orders_flow(ORDER_EVERY_S):
            time.sleep(chance.uniform(0.0, WITHIN_S.get(step, 0.5)))
            box.pull_the_plug()
    with powered(rig.image, rig.hardware()) as box:
        plug_in(box)
        rig.around.order()
        rig.around.wait_all_printed()
        state = "/var/lib/shop-agent-update/state.json"
        until(box, f"[ ! -e {state} ] || grep -q '\"trial\": null' {state}", 2 * PATIENCE_S)
        until(box, "systemctl -q is-active shop-agent")
        runs = shell(box, "dpkg-query -W -f '${Version}' shop-agent")
        print(f"cut at {step}: {runs} runs ({STEPS[step]})")
        assert runs in ((__version__, version) if step in ("prove", "commit") else (__version__,))
        assert runs in shell(box, "shop-agent version")
        assert shell(box, f"dpkg --audit; dpkg --verify shop-agent | {NOT_IN_THE_IMAGE}") == ""
    verdict = rig.around.verdict()
    assert verdict.fine, verdict.findings


@pytest.mark.parametrize(("version", "stays"), ((GOOD, True), (BROKEN, False)))
def test_a_version_that_is_well_stays_and_one_that_is_not_goes(rig: Rig, version: str, stays: bool) -> None:
    """Its doctor looks at it for a minute; until it has said yes the version of before is at hand."""
    with powered(rig.image, rig.again()) as box:
        begin(box, version, "prove")
        state = "/var/lib/shop-agent-update/state.json"
        until(box, f"grep -q '\"trial\": null' {state}", 2 * PATIENCE_S)
        until(box, "systemctl -q is-active shop-agent")
        told = json.loads(shell(box, f"cat {state}"))
        rig.around.wait_printed(rig.around.order())
        assert told["last"]["result"] == ("done" if stays else "back"), told
        assert (version if stays else __version__) in shell(box, "shop-agent version")
    verdict = rig.around.verdict()
    assert verdict.fine, verdict.findings


def begin(box: Box, version: str, step: str) -> None:
    """Let the box update itself, until it says that it begins with this step."""
    source = SOURCE.replace("VERSION", version).encode()
    write = ["sh", "-c", "cat >/etc/apt/sources.list.d/shop-agent.sources"]
    assert box.channel.run(write, stdin=source) == (0, "")
    shell(box, "rm -f /etc/apt/sources.list")
    running = box.start(["setsid", "shop-agent", "update", "--now"])
    said: list[str] = []
    for line in running.lines(2 * PATIENCE_S):
        said.append(line)
        if f"step={step}" in line:
            return
    raise AssertionError(f"it never came to {step}: {said}")


def _copy(disk: Path, to: Path) -> None:
    subprocess.run(["cp", "--sparse=always", str(disk), str(to)], check=True)
