"""What time it is, as far as that can be trusted. A box without a clock battery starts in 1970, or last week.

The machine's clock counts once it is synchronised. Until then the cloud's own times do: it is at least as late as the
latest of them, and as much later as this machine has run since. That is kept for as long as the machine is not booted.
One order may name a wrong time: nothing is too old by its word alone, where two others agree on an earlier one.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path

from agent.clock import Clock, is_synchronised
from agent.journal import notes
from agent.journal.file import Tx

KEPT = "cloud_time"
KEEP_EACH_S = 60.0
AGREE_S = 600.0
MOST_ALONE = 8
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
        self._latest_s: float | None = None
        self._agreed_s: float | None = None
        self._alone: dict[str, float] = {}
        """What single voices said, later than what is agreed. Seconds that the cloud's clock is ahead of ours."""

    def now(self) -> datetime | None:
        """The time, or the earliest that it can be by the cloud's word; None when nobody knows."""
        return self._clock.utc() if self._synchronised() else self._told(self._latest_s)

    def agreed(self) -> datetime | None:
        """The same, by the word of two orders that agree within ten minutes, where there are such; else as `now`."""
        if self._agreed_s is None or self._synchronised():
            return self.now()
        return self._told(self._agreed_s)

    def _told(self, ahead_s: float | None) -> datetime | None:
        return None if ahead_s is None else _EPOCH + timedelta(seconds=ahead_s + self._clock.monotonic())

    def monotonic(self) -> float:
        """Seconds that never jump."""
        return self._clock.monotonic()

    def load(self, tx: Tx) -> None:
        """What was known before this process started, if the machine was not booted since."""
        self._latest_s, self._agreed_s = self._kept(tx)
        self._alone = {} if self._latest_s is None else {KEPT: self._latest_s}

    def note(self, tx: Tx, voice: str, told_at: datetime | None, at: float) -> None:
        """The cloud named a time, in what arrived at `at` of the monotonic clock. One order, and a replay, are one
        `voice`. May be repeated.
        """
        if told_at is None:
            return
        ahead_s = (self.local(told_at) - _EPOCH).total_seconds() - at
        self._latest_s = _later(self._latest_s, ahead_s)
        if self._agreed_s is not None and ahead_s <= self._agreed_s:
            return
        for other, said_s in self._alone.items():
            if other != voice and abs(said_s - ahead_s) <= AGREE_S:
                self._agreed_s = _later(self._agreed_s, min(said_s, ahead_s))
        agreed_s = float("-inf") if self._agreed_s is None else self._agreed_s
        alone = {**self._alone, voice: ahead_s}
        self._alone = dict([each for each in alone.items() if each[1] > agreed_s][-MOST_ALONE:])
        if self._is_worth_keeping(self._kept(tx)):
            known = (self._boot, self._latest_s, self._agreed_s)
            notes.set_meta(tx, KEPT, " ".join(str(each) for each in known if each is not None))

    def _is_worth_keeping(self, kept: tuple[float | None, float | None]) -> bool:
        """Seldom: flash wears."""
        pairs = zip(kept, (self._latest_s, self._agreed_s), strict=True)
        return any(now is not None and (was is None or now - was > KEEP_EACH_S) for was, now in pairs)

    def local(self, moment: datetime) -> datetime:
        """A time without a zone is the shop's."""
        return moment if moment.tzinfo is not None else moment.replace(tzinfo=self._zone)

    def business_day(self) -> str:
        """As the machine's clock has it; it ends at four in the morning, when the last shop is closed."""
        return (self._clock.utc().astimezone(self._zone) - timedelta(hours=4)).date().isoformat()

    def _kept(self, tx: Tx) -> tuple[float | None, float | None]:
        """The latest, and what was agreed."""
        boot, *said = (notes.get_meta(tx, KEPT) or "").split(" ")
        if not self._boot or boot != self._boot:
            return None, None
        latest_s, agreed_s = [*map(float, said), None][:2]
        return latest_s, agreed_s


def _later(known_s: float | None, said_s: float) -> float:
    return said_s if known_s is None else max(known_s, said_s)


def _boot_id() -> str:
    try:
        return _BOOT_ID.read_text("ascii").strip()
    except OSError:
        return ""
