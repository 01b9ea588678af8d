"""The agent with something wrong in the machine below it: `python -m tests.prove.tamper run --config FILE`.

$PROVE_CLOCK names a file with the seconds by which the wall clock is wrong, read whenever somebody asks the time.
"""

import os
from datetime import datetime, timedelta, tzinfo
from pathlib import Path

import agent.clock
import agent.journal.file
import agent.journal.notes
from agent.__main__ import main


class WrongClock(datetime):
    """A wall clock that is off."""

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]  # a plain one, as everybody expects
        """The time as this machine has it."""
        off = float(Path(os.environ["PROVE_CLOCK"]).read_text())
        return datetime.now(tz) + timedelta(seconds=off)


if __name__ == "__main__":
    if "PROVE_CLOCK" in os.environ:
        for module in (agent.clock, agent.journal.file, agent.journal.notes):
            module.datetime = WrongClock  # type: ignore[attr-defined]
    main()
