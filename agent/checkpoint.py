"""Named points where a test may kill the process, before and after each durable or external action.

In production `checkpoint` does nothing. With `SHOP_AGENT_CRASH=name:n` in the environment the process kills itself
(SIGKILL, as a power cut would look to everybody else) when it passes that point for the n-th time.
"""

import itertools
import os
import signal

NAMES = (
    "intake.before_commit",
    "intake.after_commit",
    "intake.after_ack",
    "spool.before_intent",
    "spool.after_intent",
    "print.before_write",
    "print.mid_ticket",
    "print.before_fence",
    "print.after_write",
    "print.after_confirm",
    "spool.before_outcome",
    "spool.after_outcome",
    "report.before_publish",
    "report.after_publish",
    "report.before_delete",
)
RELEASING = ("release.before_commit", "release.after_commit")
"""Passed only where orders wait."""
UPDATING = (
    "update.before_keep",
    "update.after_keep",
    "update.after_begin",
    "update.after_install",
    "update.after_prove",
    "update.after_commit",
    "update.before_back",
    "update.after_back",
    "update.after_refuse",
)
"""Passed by whoever brings the box up to date, and not by the agent."""


def _from_environment() -> tuple[str, int]:
    name, _, count = os.environ.get("SHOP_AGENT_CRASH", "").partition(":")
    if name and name not in NAMES + RELEASING + UPDATING:
        known = ", ".join(NAMES + RELEASING + UPDATING)
        raise SystemExit(f"SHOP_AGENT_CRASH: no checkpoint is called {name}; there are: {known}")
    return name, int(count or 1)


_name, _count = _from_environment()
_passed = itertools.count(1)


def armed(name: str) -> bool:
    """Is this the point that shall crash? For code that must act differently to be caught in the act."""
    return name == _name


def checkpoint(name: str) -> None:
    """Pass a named point; never returns when the environment says to crash here."""
    if name == _name and next(_passed) == _count:
        os.kill(os.getpid(), signal.SIGKILL)
