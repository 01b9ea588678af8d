"""Who looks around for `state.py`: at the journal, the rooms and the disk."""

import shutil
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from agent import log
from agent.clock import Clock
from agent.config import Config
from agent.journal import jobs, notes, orders, queue, waits
from agent.journal.file import Tx
from agent.journal.store import Journal
from agent.overview.state import MOST_LISTED, Around, LineNow, Overview, Stored, assemble

_log = log.get("overview")


class Lookout:
    """`seen` tells how each printer is, by its name; `line` how the line is; `synchronised`, whether somebody sets the
    clock.
    """

    def __init__(
        self,
        config: Config,
        journal: Journal,
        clock: Clock,
        seen: Callable[[], Mapping[str, Mapping[str, Any]]],
        line: Callable[[], LineNow],
        synchronised: Callable[[], bool],
    ) -> None:
        self._config, self._journal, self._clock = config, journal, clock
        self._seen, self._line, self._synchronised = seen, line, synchronised
        self._began = clock.monotonic()

    def now(self) -> Overview:
        """How all of it is. Any thread; takes milliseconds, and nobody else waits for it."""
        around = Around(
            shop=self._config.shop,
            agent=self._config.agent,
            at=self._clock.utc(),
            up_s=self._clock.monotonic() - self._began,
            line=self._line(),
            seen=dict(self._seen()),
            synchronised=self._synchronised(),
            disk_free=free_bytes(self._config.data_dir),
            full=self._journal.full,
        )
        return assemble(self._config.printers, self._read(), around)

    def _read(self) -> Stored | None:
        if self._journal.failed is not None:
            return None
        try:
            with closing(self._journal.reader()) as reader:
                return read_stored(reader)
        except Exception as exc:  # noqa: BLE001  whatever it is, the answer says that the journal can't be read
            _log.error("overview.journal_unreadable", reason=f"{type(exc).__name__}: {exc}")
            return None


def read_stored(reader: Tx) -> Stored:
    """All that is asked of the journal, each by an index."""
    return Stored(
        waiting=jobs.waiting(reader),
        states=queue.open_states(reader),
        oldest=jobs.oldest_waiting(reader),
        orders=waits.by_why(reader),
        listed=waits.listed(reader, MOST_LISTED),
        alarms=notes.alarms_since(reader),
        last_order=orders.last_received(reader),
    )


def free_bytes(folder: Path) -> int | None:
    """What this user may still write there; None where nobody can tell."""
    try:
        return shutil.disk_usage(folder).free
    except OSError:
        return None
