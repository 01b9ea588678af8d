"""A box that brings itself up to date from a signed repository, and whose plug is pulled at every step of it.

A box's whole life is one story: each cut is followed by a boot from that very disk, where the old version or the new
one runs, as the table of the steps says, and every order is on paper once; then it tries again.
"""

import random
import shutil
import subprocess
import time
from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from agent import __version__
from agent.update.procedure import STEPS
from tests.package.updaterig import as_version
from tests.vm.box import Box, powered
from tests.vm.image import Image
from tests.vm.outside import PATIENCE_S, PLAIN, Outside, outside, plug_in, shell, until
from tests.vm.packages import package, repository
from tests.vm.system import system

GOOD, NEXT, BROKEN = "9.1.0", "9.2.0", "9.3.0"
STORIES = (
    {"fetch": GOOD, "keep": GOOD, "begin": GOOD, "install": GOOD, "prove": GOOD},
    {"commit": NEXT, "back": BROKEN},
)
"""Of a box each: the steps, and the version that each is cut on the way to."""
MAY_STAY = ("prove", "commit")
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
STATE = "/var/lib/shop-agent-update/state.json"
NOT_IN_THE_IMAGE = "grep -v ' /usr/share/\\(doc\\|man\\)/' || true"
"""It is kept small: it has no manuals."""


class Life:
    """The box on a disk of its own, the version that it should be running, and its power."""

    def __init__(self, image: Image, around: Outside, repositories: tuple[Path, ...]) -> None:
        self.around, self.runs = around, __version__
        self._image, self._repositories = image, repositories
        self._disk = around.folder / "root.img"
        self._power = ExitStack()
        subprocess.run(["cp", "--sparse=always", str(image.disk), str(self._disk)], check=True)
        self.box = self.boot()

    def boot(self) -> Box:
        """Its power comes, and its printer is there."""
        hardware = self.around.hardware(words=PLAIN, packages=self._repositories, root=self._disk)
        self.box = self._power.enter_context(powered(self._image, hardware))
        plug_in(self.box)
        return self.box

    def end(self) -> None:
        """Its power goes."""
        self._power.close()


@contextmanager
def box_on(folder: Path, versions: Collection[str]) -> Iterator[Life]:
    """This version runs, and has printed; there are repositories with newer ones, of which one is broken."""
    deb = Path(shutil.copy(package(), folder))
    packages = [as_version(deb, each, *([falls_over] if each == BROKEN else [])) for each in versions]
    repositories = tuple(repository(folder / each.name.split("_")[1], each) for each in packages)
    with outside(folder) as around, ExitStack() as stack:
        around.settings = SETTINGS
        life = Life(system("amd64", package()), around, repositories)
        stack.callback(life.end)
        around.configure(life.box)
        around.wait_online()
        around.wait_printed(around.order())
        yield life


def falls_over(root: Path) -> None:
    """A release whose agent does not start."""
    app = next(root.glob("usr/lib/shop-agent/*/agent/app.py"))
    app.write_text(app.read_text() + "\nraise SystemExit('broken on purpose')\n")


def test_every_step_is_cut() -> None:
    """A step that comes new wants its cut here."""
    assert {step for story in STORIES for step in story} == set(STEPS)


@pytest.mark.parametrize("story", STORIES, ids=lambda story: "-".join(story))
def test_the_plug_pulled_at_every_step_leaves_the_old_or_the_new_version(tmp_path: Path, story: dict[str, str]) -> None:
    """Also while orders come: none is lost or doubled, and dpkg has nothing left half-way."""
    with box_on(tmp_path, sorted(set(story.values()))) as life:
        for step, version in story.items():
            cut(life, step, version)


def cut(life: Life, step: str, version: str) -> None:
    """On the way to this version."""
    around = life.around
    begin(life.box, version, step)
    with around.orders_flow(ORDER_EVERY_S):
        time.sleep(random.Random(step).uniform(0.0, WITHIN_S.get(step, 0.5)))
        life.end()
    box = life.boot()
    around.order()
    around.wait_all_printed()
    until(box, f"[ ! -e {STATE} ] || grep -q '\"trial\": null' {STATE}", 2 * PATIENCE_S)
    until(box, "systemctl -q is-active shop-agent")
    runs = shell(box, "dpkg-query -W -f '${Version}' shop-agent")
    print(f"cut at {step} on the way from {life.runs} to {version}: {runs} runs ({STEPS[step]})", flush=True)
    assert runs in ((life.runs, version) if step in MAY_STAY else (life.runs,))
    around.wait_online(runs)
    assert shell(box, f"dpkg --audit; dpkg --verify shop-agent | {NOT_IN_THE_IMAGE}") == ""
    life.runs = runs
    verdict = around.verdict()
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
