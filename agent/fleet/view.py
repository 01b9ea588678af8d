"""What is known of every box, from its retained status and its beats. Pure: the caller says what time it is.

A box's clock may be wrong by years, so its times are only compared with each other: an age is what it was when the beat
was made, by the box's own clock, and ours since it came. While the watcher itself was deaf no box grew silent.
"""

import re
from collections.abc import Iterable
from datetime import datetime

import msgspec

from agent.fleet.beat import Beat, Status, read_beat, read_status
from agent.fleet.trouble import RANK, Need, Trouble, age_s, moment, of_beat

BEAT_S = 60.0
SLOW_S = 300.0
STALE_BEATS = 3
MOST_BOXES = 200_000
SETTLING_S = 2.0
"""Within this a broker has sent its retained messages."""

_NAME = re.compile(r"[a-z0-9-]{1,64}")


class BoxId(msgspec.Struct, frozen=True, order=True):
    """Which box of which shop."""

    shop: str
    agent: str


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One box as it is shown. Ages are in seconds; None is unknown. `since_s` is how long its trouble has lasted, more
    than that (`at_least`) when it was so before we looked. `clock_off_s`: so far its clock is ahead of ours.
    """

    shop: str
    agent: str
    trouble: Trouble
    needs: tuple[Need, ...] = ()
    since_s: float | None = None
    at_least: bool = False
    waiting: int | None = None
    held: int | None = None
    oldest_s: float | None = None
    last_order_s: float | None = None
    beat_s: float | None = None
    version: str = ""
    clock_set: bool | None = None
    clock_off_s: float | None = None


class Box:
    """What one box said last, and since when it has been in trouble."""

    __slots__ = (
        "at_least",
        "beat",
        "beat_at",
        "clock_off_s",
        "dead",
        "garbled",
        "said_at",
        "since",
        "status",
        "trouble",
    )

    def __init__(self, now: float) -> None:
        self.status: Status | None = None
        self.said_at = now
        self.dead: str | None = None
        self.beat: Beat | None = None
        self.beat_at: float | None = None
        self.clock_off_s: float | None = None
        self.garbled = ""
        self.trouble: Trouble | None = None
        self.since = now
        self.at_least = True

    @property
    def boot(self) -> str | None:
        """The run of its process that the newest word was about; None before the first word."""
        if self.beat is not None and (self.status is None or (self.beat_at or 0.0) >= self.said_at):
            return self.beat.boot
        return None if self.status is None else self.status.boot


class Fleet:
    """Every box that was heard, or is expected. `now` is in monotonic seconds. For one thread at a time. `retained`:
    the broker keeps statuses; where it does not, who is there shows only after a beat's time.
    """

    def __init__(
        self,
        now: float,
        beat_s: float = BEAT_S,
        slow_s: float = SLOW_S,
        expected: Iterable[str] = (),
        retained: bool = True,
    ) -> None:
        self._stale_s = STALE_BEATS * beat_s
        self._settling_s = SETTLING_S if retained else SETTLING_S + beat_s
        self._slow_s = slow_s
        self._expected = frozenset(expected)
        self._began = self._hearing_since = now
        self._boxes: dict[BoxId, Box] = {}
        self.refused = 0
        """Messages of which no box could be made: an impossible name, or too many of them."""

    def __len__(self) -> int:
        return len(self._boxes)

    def hearing(self, now: float) -> None:
        """The watcher's line is up, perhaps again."""
        self._hearing_since = now

    def heard_status(self, who: BoxId, payload: bytes, retained: bool, now: float) -> None:
        """A birth or a death. An empty one forgets the box: so a shop that is no more is taken off the broker."""
        if not payload:
            self._boxes.pop(who, None)
        elif (box := self._box(who, now)) is not None:
            status, box.garbled = read_status(payload)
            if status is not None and (status.online or box.boot in (None, "", status.boot) or not status.boot):
                box.status, box.said_at = status, now
                box.dead = None if status.online else status.boot
            self._judge(box, now, retained)

    def heard_beat(self, who: BoxId, payload: bytes, retained: bool, now: float, utc: datetime) -> None:
        """A beat, at `utc` by our wall clock. One that is retained is from who knows when, and says nothing."""
        if retained or (box := self._box(who, now)) is None:
            return
        first, box.beat_at = box.beat_at is None, now
        beat, box.garbled = read_beat(payload)
        if beat is not None:
            box.beat, made = beat, moment(beat.at)
            box.clock_off_s = None if made is None else (made - utc).total_seconds()
            if box.dead is not None and beat.boot not in ("", box.dead):
                box.dead = None  # it was born again, and the last death came late
        self._judge(box, now, first)

    def settled(self, now: float) -> bool:
        """Is nothing more to be learned by waiting: all expected are known, and each that is there has sent a beat?"""
        waits = any(box.dead is None and box.beat_at is None for box in self._boxes.values())
        known = bool(self._boxes) and not self._missing()
        return known and not waits and now - self._hearing_since >= self._settling_s

    def rows(self, now: float) -> list[Row]:
        """Every box, those in the worst trouble first, and of these the one that has been so for longest."""
        found = [self._row(who, box, now) for who, box in self._boxes.items()]
        for shop in self._missing():
            never, since_s = (Need(Trouble.NEVER),), now - self._began
            found.append(Row(shop=shop, agent="", trouble=Trouble.NEVER, needs=never, since_s=since_s, at_least=True))
        return sorted(found, key=lambda row: (RANK[row.trouble], -(row.since_s or 0.0), row.shop, row.agent))

    def _missing(self) -> frozenset[str]:
        return self._expected - {who.shop for who in self._boxes} if self._expected else self._expected

    def _row(self, who: BoxId, box: Box, now: float) -> Row:
        needs = self._judge(box, now)
        assert box.trouble is not None
        beat, well = box.beat, box.trouble is Trouble.WELL
        aged_s = None if box.beat_at is None else now - box.beat_at
        row = Row(
            shop=who.shop,
            agent=who.agent,
            trouble=box.trouble,
            needs=needs,
            since_s=None if well else now - box.since,
            at_least=box.at_least and not well,
            beat_s=aged_s,
            version=box.status.version if box.status else "",
        )
        if beat is None or aged_s is None:
            return row
        return msgspec.structs.replace(
            row,
            waiting=beat.waiting,
            held=beat.orders_held,
            oldest_s=age_s(beat.at, beat.oldest_ticket, aged_s),
            last_order_s=age_s(beat.at, beat.last_order_heard, aged_s),
            version=beat.version or row.version,
            clock_set=beat.clock_synchronised,
            clock_off_s=box.clock_off_s,
        )

    def _box(self, who: BoxId, now: float) -> Box | None:
        box = self._boxes.get(who)
        if box is None:
            possible = _NAME.fullmatch(who.shop) and _NAME.fullmatch(who.agent)
            if not possible or len(self._boxes) >= MOST_BOXES:
                self.refused += 1
                return None
            box = self._boxes[who] = Box(now)
        return box

    def _judge(self, box: Box, now: float, was_so_before: bool = False) -> tuple[Need, ...]:
        """All that is the matter, the worst first; keeps since when the worst has been so."""
        needs = tuple(sorted(self._needs(box, now), key=lambda need: RANK[need.trouble]))
        trouble = needs[0].trouble if needs else Trouble.WELL
        if trouble is not box.trouble:
            box.since, box.at_least = now, was_so_before
            if trouble is Trouble.DOUBTFUL:
                box.since, box.at_least = max(box.beat_at or 0.0, box.said_at), box.beat_at is None
        box.trouble = trouble
        return needs

    def _needs(self, box: Box, now: float) -> list[Need]:
        """What a box that is not there said before is over; one that may not be there has it still, perhaps."""
        if box.dead is not None:
            return [Need(Trouble.OFFLINE)]
        last = max(box.beat_at or 0.0, box.said_at, self._hearing_since)
        if now - last > self._stale_s:
            needs = [Need(Trouble.DOUBTFUL)]
        else:
            needs = [Need(Trouble.UNKNOWN)] if box.beat is None else []
        if box.garbled:
            needs.append(Need(Trouble.NOTE, "message", "", box.garbled))
        if box.beat is not None and box.beat_at is not None:
            needs += of_beat(box.beat, now - box.beat_at, box.clock_off_s, self._slow_s)
        return needs
