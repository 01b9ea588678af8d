"""After an update: is the box as well as it was before it? The updater asks, and goes back if not."""

from collections.abc import Callable, Sequence

import msgspec

from agent.clock import Clock
from agent.overview.state import Overview, Words

STEADY_S = 15
"""An agent that falls over does so before that."""
WAIT_S = 50.0
EACH_S = 1.0
MOST_FALLS = 3
"""One that falls over again and again is not waited for: meanwhile the shop prints nothing."""
_MET = ("ready", "needs_human")
"""A printer without paper has been met: paper is no version's business."""


class Before(msgspec.Struct, frozen=True, kw_only=True):
    """How it was. `version` is the one that shall run now; `ran`: an agent did; `line`: to the cloud; `printers` that
    had been met.
    """

    version: str
    ran: bool = False
    line: bool = False
    printers: Sequence[str] = ()


def before(seen: Overview | None, version: str) -> Before:
    """What must be so again once `version` runs."""
    if seen is None:
        return Before(version=version)
    met = [printer.name for printer in seen.printers if printer.state in _MET]
    return Before(version=version, ran=True, line=seen.line.state == "up", printers=met)


def missing(was: Before, seen: Overview | None) -> list[Words]:
    """What is not as it was; nothing where all is well."""
    if seen is None:
        return [Words("程序没有回答", "no agent answers")]
    found = []
    if seen.version != was.version:
        found.append(Words(f"运行的是 {seen.version}", f"{seen.version} runs, and not {was.version}"))
    if seen.up_s < STEADY_S:
        found.append(Words(f"才运行 {seen.up_s} 秒", f"it is up for {seen.up_s} s only"))
    if not seen.journal_ok:
        found.append(Words("账本写不了", "the journal can't be used"))
    if was.line and seen.line.state != "up":
        found.append(Words("云端还没连上", "the line to the cloud is not up"))
    met = {printer.name for printer in seen.printers if printer.state in _MET}
    found += [
        Words(f"打印机 {name} 还没连上", f"printer {name} was not met") for name in was.printers if name not in met
    ]
    return found


def wait_until_well(
    was: Before,
    look: Callable[[], Overview | None],
    falls: Callable[[], int],
    clock: Clock,
    sleep: Callable[[float], object],
) -> list[Words]:
    """Look again and again, for 50 s at most, or until it has fallen over three times; what is still missing then.
    Blocks. `falls`: how often so far.
    """
    if not was.ran:
        return []  # nothing ran before either; that this version can be loaded is seen by now
    ends_at = clock.monotonic() + WAIT_S
    while (found := missing(was, look())) and clock.monotonic() < ends_at:
        if falls() >= MOST_FALLS:
            return [*found, Words(f"程序接连退出了 {MOST_FALLS} 次", f"it fell over {MOST_FALLS} times")]
        sleep(EACH_S)
    return found
