"""How the shop's box is, in one answer: what the console's first page, `shop-agent status` and `doctor` show. Pure;
`lookout.py` gathers what is judged here.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Literal

import msgspec

from agent import __version__
from agent.clock import stamp
from agent.config import Printer
from agent.journal.dismissals import can_be_dismissed
from agent.journal.waits import FOR_A_PERSON, Listed

CONNECTING_S = 15.0
"""A line that is not up so soon after the start is no trouble yet."""
MOST_LISTED = 50
_NOBODY_CAN_HELP = ("mute", "unheard")
_SAYS_MORE = {"line": {"broker:refused", "broker:tls"}, "disk": set[str](), "no_printer": set[str]()}
"""By an alarm that need not be in the journal: those that say why."""
_ORDERS_DO_NOT_COME = ("line", "disk", "journal", "broker", "no_printer")
_ORDERS_COME = ("broker:certificate", "broker:packet")
_NOT_PRINTED = ("paper", "cover", "cutter", "error", "offline", "away", "silent", "other")

Wellness = Literal["well", "look", "trouble"]
"""`look`: something waits for a person, and orders go on; `trouble`: orders don't come in, or are not printed."""


class LineNow(msgspec.Struct, frozen=True):
    """The line to the cloud. `off`: no cloud is configured, which is no fault. `session`: did the broker still have it
    when we came; None where nobody knows. `heard`: when the cloud last brought something, "" before the first time.
    `why`: what the last try to connect met.
    """

    state: Literal["off", "connecting", "up", "down"]
    session: bool | None = None
    heard: str = ""
    why: str = ""


class PrinterNow(msgspec.Struct, frozen=True):
    """A printer. `state`: connecting, ready, away, other, needs_human; `need`: paper, cover, cutter, error, offline;
    `tier`: what it can prove; `alarms`: the kinds that are up.
    """

    name: str
    link: str
    state: str
    waiting: int = 0
    need: str = ""
    why: str = ""
    tier: str = ""
    paused: bool = False
    alarms: list[str] = []


class TicketsNow(msgspec.Struct, frozen=True):
    """Tickets that are not settled, and how old the oldest is (seconds; None without one)."""

    waiting: int = 0
    held: int = 0
    unconfirmed: int = 0
    oldest_s: int | None = None


class OrdersNow(msgspec.Struct, frozen=True):
    """Orders that are no tickets yet. `for_a_person`: how many a person must decide about, by why (old, flood, failed);
    `listed`: these by their numbers, at most 50.
    """

    waiting: int = 0
    for_a_person: dict[str, int] = {}
    listed: list[Listed] = []


class Words(msgspec.Struct, frozen=True):
    """The same in both languages."""

    zh: str
    en: str


class AlarmNow(msgspec.Struct, frozen=True):
    """What needs a person, and the one thing to do. `grave`: orders don't come in, or are not printed. `dismissable`:
    it ends when a person says that he has seen it.
    """

    key: str
    topic: str
    reason: str
    what: Words
    do: Words
    since: str = ""
    grave: bool = False
    dismissable: bool = False


class Overview(msgspec.Struct, frozen=True, kw_only=True):
    """All of it. `at` and `started` are UTC by the box's clock; `up_s` is right whatever that is. `disk_free` in bytes,
    None: unknown. `journal_ok`: it takes orders, and can be read. `last_order`: when the newest came, from
    wherever, "" before the first.
    """

    well: Wellness
    version: str
    shop: str
    agent: str
    at: str
    started: str
    up_s: int
    line: LineNow
    printers: list[PrinterNow]
    tickets: TicketsNow
    orders: OrdersNow
    last_order: str
    alarms: list[AlarmNow]
    clock_synchronised: bool
    disk_free: int | None
    journal_ok: bool

    @property
    def is_only_connecting(self) -> bool:
        """Nothing is wrong, but for a line that is not up yet: that can't be called well."""
        return self.well == "well" and self.line.state == "connecting"


class Stored(msgspec.Struct, frozen=True):
    """What the journal says. `alarms`: key, reason and since; `states`: tickets that are not settled, by state."""

    waiting: dict[str, int] = {}
    states: dict[str, int] = {}
    oldest: str | None = None
    orders: dict[str, int] = {}
    listed: list[Listed] = []
    alarms: list[tuple[str, str, str]] = []
    last_order: str = ""


class Around(msgspec.Struct, frozen=True):
    """What the rooms know by heart. `seen`: how each printer is; `full`: there is no room for the journal."""

    shop: str
    agent: str
    at: datetime
    up_s: float
    line: LineNow
    seen: Mapping[str, Mapping[str, Any]]
    synchronised: bool
    disk_free: int | None
    full: bool


def assemble(printers: Sequence[Printer], stored: Stored | None, around: Around) -> Overview:
    """One answer of all that is known. `stored` is None where the journal can't be read."""
    line, ok = around.line, stored is not None and not around.full
    if line.state == "down" and around.up_s < CONNECTING_S:
        line = msgspec.structs.replace(line, state="connecting")
    stored = stored or Stored()
    known = {key for key, _, _ in stored.alarms}
    by_heart = [each for each in _by_heart(line, around, bool(printers)) if not known & {each[0], *_SAYS_MORE[each[0]]}]
    alarms = [_alarm(*each) for each in [*by_heart, *stored.alarms]]
    alarms.sort(key=lambda alarm: (not alarm.grave, alarm.since))
    waits_for_a_person = any(_calls(alarm) for alarm in alarms)
    trouble = not ok or any(alarm.grave for alarm in alarms)
    return Overview(
        well="trouble" if trouble else "look" if waits_for_a_person else "well",
        version=__version__,
        shop=around.shop,
        agent=around.agent,
        at=stamp(around.at),
        started=stamp(around.at - timedelta(seconds=around.up_s)),
        up_s=int(around.up_s),
        line=line,
        printers=[_printer(each, stored, around.seen.get(each.name, {})) for each in printers],
        tickets=TicketsNow(
            waiting=sum(stored.states.values()),
            held=stored.states.get("held", 0),
            unconfirmed=stored.states.get("unconfirmed", 0),
            oldest_s=None if stored.oldest is None else age_s(stored.oldest, around.at),
        ),
        orders=OrdersNow(
            waiting=sum(stored.orders.values()),
            for_a_person={why: stored.orders[why] for why in map(str, FOR_A_PERSON) if stored.orders.get(why)},
            listed=[each for each in stored.listed if each.why in FOR_A_PERSON][:MOST_LISTED],
        ),
        last_order=stored.last_order,
        alarms=alarms,
        clock_synchronised=around.synchronised,
        disk_free=around.disk_free,
        journal_ok=ok,
    )


def age_s(then: str, now: datetime) -> int:
    """Seconds since a stored time; 0 where the clock went back meanwhile."""
    return max(0, int((now - datetime.fromisoformat(then)).total_seconds()))


def size(count: int) -> str:
    """Bytes as people say them."""
    return f"{count / 2**30:.1f} GB" if count >= 2**30 else f"{count / 2**20:.0f} MB"


def _by_heart(line: LineNow, around: Around, printers: bool) -> list[tuple[str, str, str]]:
    """Alarms that need not be in the journal: what they say is seen, and while some are up nothing can be written."""
    up = {"line": line.state == "down", "disk": around.full, "no_printer": not printers}
    return [(key, line.why if key == "line" else "", "") for key, is_up in up.items() if is_up]


def _alarm(key: str, reason: str, since: str) -> AlarmNow:
    from agent.report.alarmtext import brief, topic_of  # only who looks pays for it

    said = brief(key, reason)
    return AlarmNow(
        key, topic_of(key), reason, Words(*said.what), Words(*said.do), since, _is_grave(key), can_be_dismissed(key)
    )


def _is_grave(key: str) -> bool:
    kind, _, rest = key.partition(":")
    if kind == "printer":
        return rest.rpartition(":")[2] in _NOT_PRINTED
    return kind in _ORDERS_DO_NOT_COME and key not in _ORDERS_COME


def _calls(alarm: AlarmNow) -> bool:
    """Can a person do anything about it?"""
    return not (alarm.topic == "printer" and alarm.key.endswith(_NOBODY_CAN_HELP))


def _printer(printer: Printer, stored: Stored, seen: Mapping[str, Any]) -> PrinterNow:
    prefix = f"printer:{printer.name}:"
    alarms = [key.removeprefix(prefix) for key, _, _ in stored.alarms if key.startswith(prefix)]
    return PrinterNow(
        name=printer.name,
        link=str(printer.link),
        state=str(seen.get("state") or "connecting"),
        waiting=stored.waiting.get(printer.name, 0),
        need=str(seen.get("need") or ""),
        why=str(seen.get("reason") or "") if seen.get("state") in ("away", "other") else "",
        tier=str(seen.get("tier") or ""),
        paused="paused" in alarms,
        alarms=alarms,
    )
