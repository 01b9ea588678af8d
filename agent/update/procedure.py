"""An update, step by step, and back where the new version is not well.

It runs from the folder of the version that steps down, which is gone once dpkg has put the next one there: everything
is imported before the first step. Killed anywhere, by a hand or by the power, the box comes up with the old version or
the new one: dpkg keeps one of them whole at each moment (decision 17), and `back.main` ends what was begun.
"""

import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import msgspec

from agent import atomicfile, log
from agent.checkpoint import checkpoint
from agent.doctor.after import Before
from agent.update import back, packages
from agent.update.back import Last, State, Trial
from agent.update.packages import PackageError

STEPS = {
    "fetch": "old: nothing was touched",
    "keep": "old: nothing was touched",
    "begin": "old: from here on a start goes back",
    "install": "old or new, whichever dpkg left whole; the next start goes back to old",
    "prove": "new; the next start goes back to old",
    "commit": "new, for good",
    "back": "new or old; the next start goes on going back to old",
}
"""Each step with what runs after a kill within it. Each is said in the log as it begins: update.step_begun step=…"""
PROVE_S = 60
BEFORE = "before.json"
_log = log.get("update")


class Stopped(Exception):
    """Nothing was changed; the text says why."""


class NotNow(Stopped):
    """The shop is not quiet any more."""


def update(folder: Path, old: str, new: str, was: Before, still: Callable[[], str]) -> State:
    """Install `new` and prove it, or go back. `still` says why it is no moment for it after all, once all is at hand.

    Raises:
        NotNow, Stopped: before anything was changed.
        OSError, subprocess.SubprocessError: it could not even go back yet; `back.main` will.
    """
    try:
        _step("fetch", old, new)
        packages.fetch(new)
        _step("keep", old, new)
        checkpoint("update.before_keep")
        packages.keep(folder / back.PREVIOUS)
        back.carry(folder)
        atomicfile.replace(folder / BEFORE, msgspec.json.encode(was), mode=0o644)
        checkpoint("update.after_keep")
    except (PackageError, OSError) as exc:
        raise Stopped(str(exc)) from exc
    if why := still():
        raise NotNow(why)
    _step("begin", old, new)
    back.write(folder, replace(back.read(folder), trial=Trial(old, new, back.now())))
    checkpoint("update.after_begin")
    if not (why := _wrong_with(folder, old, new)):
        _step("commit", old, new)
        return _commit(folder, old, new)
    _step("back", old, new, why=why)
    return back.go_back(folder, why)


def _wrong_with(folder: Path, old: str, new: str) -> str:
    """Put the new version there, and ask its own doctor. Empty where all is as well as it was. What the doctor says on
    standard error is for root's log alone: it reads a configuration that is the agent's to choose, and everybody may
    read the state.
    """
    try:
        _step("install", old, new)
        packages.install(new)
        checkpoint("update.after_install")
        _step("prove", old, new)
        proof = ["shop-agent", "doctor", "--post-update", str(folder / BEFORE)]
        done = subprocess.run(proof, stdout=subprocess.PIPE, text=True, timeout=PROVE_S, check=False)
    except PackageError as exc:
        return str(exc)
    except (OSError, subprocess.TimeoutExpired) as exc:
        return f"its doctor did not end: {exc}"
    checkpoint("update.after_prove")
    if done.returncode == 0:
        return ""
    said = [line.strip() for line in done.stdout.splitlines() if line.strip()]
    return " / ".join(said[-3:]) or f"its doctor ended with {done.returncode}"


def _commit(folder: Path, old: str, new: str) -> State:
    """One rename on the disk: from here on a start stays with the new version."""
    state = back.read(folder)
    refused = {version: why for version, why in state.refused.items() if version != new}
    state = replace(state, trial=None, last=Last(old, new, back.now(), "done"), cuts={}, refused=refused)
    back.write(folder, state)
    checkpoint("update.after_commit")
    return state


def _step(name: str, old: str, new: str, **more: str) -> None:
    assert name in STEPS
    _log.info("update.step_begun", step=name, old=old, new=new, **more)
