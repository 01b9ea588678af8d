"""The way back to the version of before, and the one small file that says where an update stands.

Standard library only, and of ours only what `CARRIED` names: a copy of it lies in the folder of the updates (`carry`),
so that it is there at the next boot whatever the new version is like. That folder is root's alone to write.
"""

import fcntl
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from agent import atomicfile
from agent.checkpoint import checkpoint

FOLDER, PROGRAM = Path("/var/lib/shop-agent-update"), Path("/usr/lib/shop-agent")
STATE, PREVIOUS, RESCUE, LOCK = "state.json", "previous.deb", "rescue.pyz", "lock"
PACKAGE = "shop-agent"
MOST_CUTS = 2
"""A version whose update was cut off is tried again, but not so often: perhaps it is what brings the box down."""
STAYS = "stays"
CUT_OFF = "cut off: power, or a kill"
DPKG_S = 600
CARRIED = ("__init__.py", "atomicfile.py", "checkpoint.py", "update/__init__.py", "update/back.py")
CALM = {
    "LC_ALL": "C",
    "DEBIAN_FRONTEND": "noninteractive",
    "NEEDRESTART_SUSPEND": "1",
    "APT_LISTCHANGES_FRONTEND": "none",
}
"""apt and dpkg ask nothing, and say what they say in English."""


class Busy(Exception):
    """Another one is at it."""


@dataclass(frozen=True)
class Trial:
    """An update under way: whoever finds it at a start goes back to `old`. `why`: the new version was found wanting."""

    old: str
    new: str
    since: str
    why: str = ""


@dataclass(frozen=True)
class Last:
    """What became of the newest update. `result`: done, back, or stays: it is neither proved nor undone."""

    old: str
    new: str
    at: str
    result: str
    why: str = ""


@dataclass(frozen=True)
class State:
    """`cuts`: how often an update to a version was cut off; `refused`: versions that are not tried again, and why."""

    trial: Trial | None = None
    last: Last | None = None
    cuts: dict[str, int] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)


def read(folder: Path) -> State:
    """Where it stands; a file that is not there, or that says nothing, is a box that was never updated."""
    try:
        told = json.loads((folder / STATE).read_text("utf-8"))
        return State(
            trial=Trial(**told["trial"]) if told.get("trial") else None,
            last=Last(**told["last"]) if told.get("last") else None,
            cuts=dict(told.get("cuts", {})),
            refused=dict(told.get("refused", {})),
        )
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return State()


def write(folder: Path, state: State) -> None:
    """The old words or the new ones, also after a power cut. Raises OSError."""
    data = json.dumps(asdict(state), ensure_ascii=False, indent=1).encode() + b"\n"
    atomicfile.replace(folder / STATE, data, mode=0o644)


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """One at a time; the kernel lets go when the process ends. Root's alone: whoever may read a file may lock it.

    Raises: Busy.
    """
    with open(folder / LOCK, "w", opener=lambda path, flags: os.open(path, flags, 0o600)) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Busy from None
        yield


def carry(folder: Path) -> None:
    """Put a copy of this file, and of what it needs, where no package is ever installed. Raises OSError."""
    import zipfile  # the agent reads the state, and has no use for it

    growing = folder / f"{RESCUE}.new"
    with zipfile.ZipFile(growing, "w") as archive:
        archive.writestr("__main__.py", "from agent.update.back import main\n\nmain()\n")
        for name in CARRIED:
            archive.write(Path(__file__).parents[1] / name, f"agent/{name}")
    keep(growing, folder / RESCUE)


def keep(growing: Path, path: Path) -> None:
    """Give a finished file its name, for good. Raises OSError."""
    with growing.open("rb") as file:
        os.fsync(file.fileno())
    growing.replace(path)
    atomicfile.sync_folder(path.parent)


def go_back(folder: Path, why: str = "") -> State:
    """The previous version again; the journal is not touched. May be repeated. `why`: what is wrong with the new
    version, which is refused from now on if dpkg has begun with it. Without, its update was cut off: it is tried again,
    but not often. What is installed stays where a person put a third version there, or where the copy of the previous
    one is damaged: dpkg would only find that out once the agent is stopped.

    Raises:
        OSError, subprocess.SubprocessError: not yet; it stays to be done.
    """
    state = read(folder)
    if (trial := state.trial) is None:
        return state
    wholly, version = _installed()
    if wholly and version not in (trial.old, trial.new):
        return _stays(folder, state, f"{version} was installed meanwhile")
    begun = not wholly or version != trial.old
    if begun and not _readable(folder / PREVIOUS):
        _finish()
        said = f"{trial.old} can't come back, its copy is damaged; {trial.why or why or CUT_OFF}"
        return _stays(folder, replace(state, refused={**state.refused, trial.new: said}), said)
    if begun and why:
        state = replace(state, trial=replace(trial, why=why))
        write(folder, state)  # whoever goes on after a power cut knows it too
    checkpoint("update.before_back")
    if begun:
        if state.trial is not None and state.trial.why:
            _compile_afresh()
        _reinstall(folder / PREVIOUS)
    checkpoint("update.after_back")
    state = _undone(state, begun, why)
    write(folder, state)
    checkpoint("update.after_refuse")
    return state


def _undone(state: State, begun: bool, why: str) -> State:
    """What is known once the old version is there again."""
    trial = state.trial
    assert trial is not None
    cut = begun and not trial.why
    cuts = {**state.cuts, trial.new: state.cuts.get(trial.new, 0) + 1} if cut else state.cuts
    said = trial.why or why or CUT_OFF
    refused = {trial.new: said} if trial.why or cuts.get(trial.new, 0) >= MOST_CUTS else {}
    last = Last(trial.old, trial.new, now(), "back", said)
    return replace(state, trial=None, last=last, cuts=cuts, refused={**state.refused, **refused})


def _stays(folder: Path, state: State, why: str) -> State:
    """The trial ends with what is installed."""
    assert state.trial is not None
    last = Last(state.trial.old, state.trial.new, now(), STAYS, why)
    state = replace(state, trial=None, last=last)
    write(folder, state)
    return state


def _compile_afresh() -> None:
    """What the new version fell over may be what both have in common."""
    for marker in PROGRAM.glob("packages-*/.compiled"):
        marker.unlink()


def _reinstall(package: Path) -> None:
    """By dpkg alone: apt refuses to work on what was left half-way."""
    command = ["dpkg", "--force-downgrade", "--force-confold", "--install", str(package)]
    subprocess.run(command, env={**os.environ, **CALM}, timeout=DPKG_S, check=True)
    _finish()


def _finish() -> None:
    """Others' packages may have been left half-way as well."""
    subprocess.run(["dpkg", "--configure", "-a"], env={**os.environ, **CALM}, timeout=DPKG_S, check=False)


def _readable(package: Path) -> bool:
    """To its end?"""
    for part in ("--ctrl-tarfile", "--fsys-tarfile"):
        command = ["dpkg-deb", part, str(package)]
        if subprocess.run(command, stdout=subprocess.DEVNULL, timeout=DPKG_S, check=False).returncode:
            return False
    return True


def now() -> str:
    """UTC, by the box's clock."""
    return datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _installed() -> tuple[bool, str]:
    """Wholly, and which version? Of the old one dpkg says so until it begins with the new, and then it stops it."""
    asked = ["dpkg-query", "--show", "--showformat=${db:Status-Abbrev} ${Version}", PACKAGE]
    done = subprocess.run(asked, env={**os.environ, **CALM}, capture_output=True, text=True, timeout=60, check=False)
    status, _, version = done.stdout.partition(" ")
    return status[1:2] == "i", version.strip()


def main() -> None:
    """At each boot, and after an updater that was killed: is there something to go back from?"""
    folder = Path(sys.argv[0]).absolute().parent
    try:
        with alone(folder):
            _rescue(folder)
    except Busy:
        return  # it lives, and ends what it began
    except (OSError, subprocess.SubprocessError) as exc:
        sys.exit(f"update.not_back reason={exc}")


def _rescue(folder: Path) -> None:
    if (trial := read(folder).trial) is not None:
        print(f"update.cut_off old={trial.old} new={trial.new}", file=sys.stderr)  # noqa: T201
        last = go_back(folder).last
        if last is not None and last.result == STAYS:
            print(f"update.stays reason={last.why}", file=sys.stderr)  # noqa: T201
        else:
            print(f"update.went_back version={trial.old}", file=sys.stderr)  # noqa: T201
