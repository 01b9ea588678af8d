"""What time it is, as far as that can be trusted. A box without a clock battery starts in 1970, or last week.

The machine's clock counts once it is synchronised. Until then the cloud's own times do: it is at least as late as the
latest of them, and as much later as this machine has run since. That is kept for as long as the machine is not booted.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path

from agent.clock import Clock, is_synchronised
from agent.journal import notes
from agent.journal.file import Tx

KEPT = "cloud_time"
KEEP_EACH_S = 60.0
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class TimeKeeper:
    """Any thread may ask; `note` and `load` belong to the journal's writer and to the start."""

    def __init__(
        self, clock: Clock, zone: tzinfo, synchronised: Callable[[], bool] = is_synchronised, boot: str | None = None
    ) -> None:
        self._clock = clock
        self._zone = zone
        self._synchronised = synchronised
        self._boot = _boot_id() if boot is None else boot
        self._ahead_s: float | None = None

    def now(self) -> datetime | None:
        """The time, or the earliest that it can be by the cloud's word; None when nobody knows."""
        if self._synchronised():
            return self._clock.utc()
        if self._ahead_s is None:
            return None
        return _EPOCH + timedelta(seconds=self._ahead_s + self._clock.monotonic())

    def monotonic(self) -> float:
        """Seconds that never jump."""
        return self._clock.monotonic()

    def load(self, tx: Tx) -> None:
        """What was known before this process started, if the machine was not booted since."""
        self._ahead_s = self._kept(tx)

    def note(self, tx: Tx, told_at: datetime | None, at: float) -> None:
        """The cloud named a time, in what arrived at `at` of the monotonic clock. May be repeated."""
        if told_at is None:
            return
        ahead_s = (self.local(told_at) - _EPOCH).total_seconds() - at
        if self._ahead_s is not None and ahead_s < self._ahead_s:
            return
        self._ahead_s = ahead_s
        kept_s = self._kept(tx)
        if kept_s is None or ahead_s - kept_s > KEEP_EACH_S:  # seldom: flash wears
            notes.set_meta(tx, KEPT, f"{self._boot} {ahead_s}")

    def local(self, moment: datetime) -> datetime:
        """A time without a zone is the shop's."""
        return moment if moment.tzinfo is not None else moment.replace(tzinfo=self._zone)

    def business_day(self) -> str:
        """As the machine's clock has it; it ends at four in the morning, when the last shop is closed."""
        return (self._clock.utc().astimezone(self._zone) - timedelta(hours=4)).date().isoformat()

    def _kept(self, tx: Tx) -> float | None:
        boot, _, ahead_s = (notes.get_meta(tx, KEPT) or "").partition(" ")
        return float(ahead_s) if self._boot and boot == self._boot else None


def _boot_id() -> str:
    try:
        return _BOOT_ID.read_text("ascii").strip()
    except OSError:
        return ""
