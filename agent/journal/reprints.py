"""A person wants what was printed once more: the newest word at each station, as a ticket of its own that is marked."""

from collections.abc import Callable
from typing import Any

import msgspec

from agent.errors import CommandRefused
from agent.journal import jobs, orders
from agent.journal.closing import DISCARDED
from agent.journal.file import Tx
from agent.journal.jobs import NewJob
from agent.model.command import Reprint
from agent.model.job import FINAL, JobKind, JobState, Mark

_NAMED = 20
Home = Callable[[Tx, int, str], str]
"""The printer for a copy of an order's ticket from a station; empty for none."""


class Known(msgspec.Struct, frozen=True):
    """A ticket of the order, as far as it matters for a copy of it. `sent`: bytes of it went out, and nobody knows yet
    what became of them.
    """

    id: int
    station: str
    copy: int
    copies: int
    kind: JobKind
    state: JobState
    reason: str
    rev: int
    event_pk: int | None
    share: bytes
    number: int
    sent: bool

    @property
    def counts(self) -> bool:
        """Was it printed, or should it have been? Others were replaced."""
        return self.state is not JobState.CANCELED or self.reason.startswith(DISCARDED)


def reprint(tx: Tx, command: Reprint, home: Home) -> str:
    """Enter the copies; returns what was done, in words.

    Raises:
        CommandRefused: there is nothing to print again; the text says why, and what to do instead.
    """
    order_pk, chosen = _one(tx, command) if command.ticket is not None else _all(tx, command)
    ready = [each for each in chosen if each.state in FINAL]
    if not ready:
        raise CommandRefused(*_why_not(chosen[0]))
    entered = [_enter(tx, order_pk, each, home) for each in ready]
    ref = orders.order_ref(tx, order_pk)
    tickets = ", ".join(f"ticket {number} at {each.station}" for number, each in zip(entered, ready, strict=True))
    return f"order {ref.id[:50]} (#{ref.no[:50]}) is printed again, marked: {tickets}"


def _one(tx: Tx, command: Reprint) -> tuple[int, list[Known]]:
    """The newest word where this ticket is: an old one's content holds no more."""
    row = tx.execute("SELECT order_pk, station, copy FROM jobs WHERE id = ?", (command.ticket,)).fetchone()
    if row is None or row[0] is None:
        raise CommandRefused(
            f"there is no ticket {command.ticket} of an order; name the order",
            f"没有订单小票 {command.ticket}：请指定订单",
        )
    order_pk, station, copy = row
    ref = orders.order_ref(tx, order_pk)
    named = ((command.channel, (ref.channel,)), (command.station, (station,)), (command.order, (ref.id, ref.no)))
    if any(said and said not in known for said, known in named):
        raise CommandRefused(
            f"ticket {command.ticket} is of order {ref.id} at {station}, another one",
            f"小票 {command.ticket} 是另一张订单的：请刷新页面",
        )
    chosen = [each for each in newest(tx, order_pk) if (each.station, each.copy) == (station, copy)]
    if not chosen:
        raise CommandRefused(
            f"order {ref.id} has nothing on paper at {station} any more that could be printed again",
            f"{station} 已没有这张订单可补打的小票",
        )
    return order_pk, chosen


def _all(tx: Tx, command: Reprint) -> tuple[int, list[Known]]:
    order_pk = find_order(tx, command.order, command.channel)
    chosen = [each for each in newest(tx, order_pk) if command.station in ("", each.station)]
    if not chosen:
        waits = tx.execute("SELECT 1 FROM waits WHERE order_pk = ?", (order_pk,)).fetchone()
        advice = "it waits: shop-agent queue release" if waits else "no ticket of it was printed"
        zh = "它还在等：请在迟到订单里打印" if waits else "它没有打印过小票"
        where = f" at {command.station[:50]}" if command.station else ""
        raise CommandRefused(
            f"order {command.order[:50]} can't be printed again{where}: {advice}",
            f"订单 {command.order[:50]} 不能补打：{zh}",
        )
    return order_pk, chosen


def find_order(tx: Tx, named: str, channel: str) -> int:
    """By its id, else the newest in each channel that people call so; `channel` is empty for any.

    Raises:
        CommandRefused: there is none, or more than one.
    """
    rows = tx.execute("SELECT pk, order_id, channel FROM orders WHERE order_id = ?", (named,)).fetchall()
    rows = (
        rows
        or tx.execute(
            "SELECT max(pk), order_id, channel FROM orders WHERE number = ? GROUP BY channel",
            (named.removeprefix("#"),),
        ).fetchall()
    )
    rows = [row for row in rows if channel in ("", row[2])]
    if not rows:
        raise CommandRefused(
            f"there is no order {named[:50]} here; only the newest are kept", f"没有订单 {named[:50]}：只保留最新的"
        )
    if len(rows) > 1:
        where = ", ".join(f"{row[1]} ({row[2]})" for row in rows[:_NAMED])
        raise CommandRefused(
            f"{len(rows)} orders are called {named[:50]}: {where}; name the id, or the channel",
            f"有 {len(rows)} 张订单叫 {named[:50]}：{where}；请指定订单编号或渠道",
        )
    return int(rows[0][0])


def newest(tx: Tx, order_pk: int, *, voids: bool = False) -> list[Known]:
    """At each station and copy the last word: of a canceled order the voids, else what is to be made."""
    rows = tx.execute(
        "SELECT id, station, copy, copies, kind, state, reason, rev, event_pk, share, number, intent IS NOT NULL "
        "FROM jobs INDEXED BY jobs_of_order WHERE order_pk = ? ORDER BY id",
        (order_pk,),
    )
    found: dict[tuple[str, int], Known] = {}
    for each in map(_known, rows):
        if not each.counts:
            continue
        if each.kind is JobKind.CANCEL:  # it takes back every copy
            found = {here: known for here, known in found.items() if here[0] != each.station}
        found[each.station, each.copy] = each
    (canceled,) = tx.execute("SELECT canceled FROM orders WHERE pk = ?", (order_pk,)).fetchone()
    return [
        each for each in found.values() if (voids and not canceled) or (each.kind is JobKind.CANCEL) == bool(canceled)
    ]


def _known(row: tuple[Any, ...]) -> Known:
    values = dict(zip(Known.__struct_fields__, row, strict=True))
    kind, state, sent = JobKind(values["kind"]), JobState(values["state"]), bool(values["sent"])
    return Known(**{**values, "kind": kind, "state": state, "sent": sent})


def _enter(tx: Tx, order_pk: int, each: Known, home: Home) -> int:
    printer = home(tx, order_pk, each.station)
    if not printer:
        raise CommandRefused(
            f"station {each.station} has no printer: write one into the configuration",
            f"档口 {each.station} 没有打印机：请在档口页选一台",
        )
    kind = JobKind.ORDER if each.kind is JobKind.AMEND else each.kind
    job = NewJob(each.station, printer, kind, each.share, each.copy, each.copies, Mark.ASKED, each.number)
    jobs.add_jobs(tx, order_pk, each.event_pk, each.rev, [job])
    return int(tx.execute("SELECT max(id) FROM jobs").fetchone()[0])


def _why_not(ticket: Known) -> tuple[str, str]:
    match ticket.state:
        case JobState.PENDING | JobState.PROCESSING:
            return f"ticket {ticket.id} is on its way to the printer; wait for it", f"小票 {ticket.id} 正要打印：请稍等"
        case _:
            return (
                f"ticket {ticket.id} is {ticket.state}: say what became of it first, or: shop-agent queue again",
                f"小票 {ticket.id} 还没有结果：请先看纸，选“在纸上”或“重打”",
            )
