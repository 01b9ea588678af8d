"""A person says that something is finished, or that it is not after all: by touch, by the barcode on the paper, by the
order's number.

Paper and screen name a ticket of one revision. Where the order has changed since, they are refused: whoever finished
what was on that paper has not seen the change.
"""

from functools import cache

import msgspec

from agent.errors import CommandRefused
from agent.journal import bumps, closing, orders
from agent.journal.file import Tx
from agent.journal.kitchen import LOOK_BACK
from agent.journal.notes import add_report
from agent.journal.renames import former
from agent.journal.reprints import find_order
from agent.model.command import Ready
from agent.model.job import JobKind
from agent.model.kitchen import Part
from agent.model.readycode import is_ready_code, ready_code
from agent.model.report import OrderState

RECALLABLE = 20
"""So many that were finished last can be called back. Counted, not dated: clocks jump."""
RECALLED = "recalled"


class _Meant(msgspec.Struct, frozen=True):
    """What a person pointed at: an order, a station of it or all (empty), and the revision that was seen, if any."""

    order_pk: int
    station: str = ""
    rev: int | None = None


def finish(tx: Tx, command: Ready) -> str:
    """What is meant is finished; returns what was done, in words. The same again changes nothing.

    Raises:
        CommandRefused: there is nothing such to make; the text says why.
    """
    order_pk, chosen = _choose(tx, command)
    fresh = [part for part in chosen if not part.finished]
    for part in fresh:
        bumps.enter(tx, order_pk, part, command.by)
    ready = bumps.tell_if_finished(tx, order_pk)
    if not fresh:
        return f"{_named(tx, order_pk, chosen)}: was finished already"
    left = [part.station for part in bumps.parts(tx, order_pk).values() if part.makes and not part.finished]
    whole = "; the order is ready" if ready else f"; still to come from {', '.join(left)}" if left else ""
    return f"{_named(tx, order_pk, fresh)}: finished{whole}"


def recall(tx: Tx, command: Ready) -> str:
    """What is meant is not finished after all; returns what was done, in words. The same again changes nothing.

    Raises:
        CommandRefused: it was finished too long ago, or there is nothing such.
    """
    order_pk, chosen = _choose(tx, command)
    done = [part for part in chosen if part.finished]
    if not done:
        return f"{_named(tx, order_pk, chosen)}: is not finished, it is on the screen"
    for part in done:
        if not _is_recent(tx, order_pk, part.station):
            name = _named(tx, order_pk, [part])
            raise CommandRefused(
                f"{name}: only the {RECALLABLE} finished last can be called back; print it again",
                f"只能撤回最后做好的 {RECALLABLE} 份：请补打小票",
            )
        bumps.forget(tx, order_pk, part.station)
    _no_longer_ready(tx, order_pk)
    return f"{_named(tx, order_pk, done)}: back on the screen"


def named(tx: Tx, command: Ready) -> str:
    """What is meant, as people call it: `#42 wok`. Raises CommandRefused."""
    meant = _meant(tx, command)
    return f"#{orders.order_ref(tx, meant.order_pk).no} {meant.station}".strip()


# -- what is meant ---------------------------------------------------------------------------------------------------


def _choose(tx: Tx, command: Ready) -> tuple[int, list[Part]]:
    """The order, and the parts of it that are meant."""
    meant = _meant(tx, command)
    there = bumps.parts(tx, meant.order_pk)
    (canceled,) = tx.execute("SELECT canceled FROM orders WHERE pk = ?", (meant.order_pk,)).fetchone()
    name, zh = _named(tx, meant.order_pk), f"订单 #{orders.order_ref(tx, meant.order_pk).no[:50]}"
    if canceled:
        raise CommandRefused(f"{name} is cancelled: there is nothing to make", f"{zh} 已取消：不用做了")
    made = [part for part in there.values() if part.makes]
    if not made:
        raise CommandRefused(
            f"{name} has nothing to make: it waits, or nothing of it was kept",
            f"{zh} 没有要做的：它还在等，或已不保留",
        )
    if not meant.station:
        return meant.order_pk, made
    here = there.get(meant.station)
    if here is None:
        known = ", ".join(part.station for part in made)
        raise CommandRefused(
            f"{name} has nothing to make at {meant.station[:50]}, only at {known}",
            f"{zh} 在 {meant.station[:50]} 没有要做的，只有 {known} 有",
        )
    if meant.rev is not None and meant.rev != here.rev:
        raise CommandRefused(
            f"{name} has changed at {here.station} since this ticket: look at the newest one first",
            f"{zh} 的 {here.station} 在这张小票之后改过：请先看最新的一张",
        )
    return meant.order_pk, [here] if here.makes else made


def _meant(tx: Tx, command: Ready) -> _Meant:
    if command.code:
        meant = _by_code(tx, command.code)
    elif command.ticket is not None:
        meant = _by_ticket(tx, command.ticket)
    else:
        return _Meant(find_order(tx, command.order, command.channel), command.station)
    ref = orders.order_ref(tx, meant.order_pk)
    named = ((command.channel, (ref.channel,)), (command.station, (meant.station,)), (command.order, (ref.id, ref.no)))
    if any(said and said not in known for said, known in named):
        raise CommandRefused(
            f"that is order {ref.id} at {meant.station}, another one", f"那是另一张订单：{ref.id}（{meant.station}）"
        )
    return meant


def _by_ticket(tx: Tx, ticket: int) -> _Meant:
    row = tx.execute("SELECT order_pk, station, rev, kind FROM jobs WHERE id = ?", (ticket,)).fetchone()
    if row is None:
        raise CommandRefused(f"there is no ticket {ticket}", f"没有小票 {ticket}")
    if row[3] not in (JobKind.ORDER, JobKind.AMEND):
        raise CommandRefused(
            f"ticket {ticket} is none that says what to make; name the order",
            f"小票 {ticket} 不是做菜的小票：请指定订单",
        )
    return _Meant(int(row[0]), str(row[1]), int(row[2]))


def _by_code(tx: Tx, code: str) -> _Meant:
    """Newest first: whoever scans has just cooked it."""
    code = code.strip()
    if not is_ready_code(code):
        raise CommandRefused(
            f"{code[:30]} is no barcode of a kitchen ticket; scan the one at its foot",
            f"{code[:30]} 不是厨房小票的条码：请扫小票最下面的条码",
        )
    called = cache(lambda station: (station, *former(tx, station)))
    rows = tx.execute(
        "SELECT o.pk, o.channel, o.order_id, j.station, j.rev FROM orders o "
        "JOIN jobs j INDEXED BY jobs_of_order ON j.order_pk = o.pk AND j.kind IN ('order', 'amend') "
        "WHERE o.pk > (SELECT max(pk) FROM orders) - ? ORDER BY o.pk DESC",
        (LOOK_BACK,),
    )
    for order_pk, channel, order_id, station, rev in rows:
        if any(ready_code(channel, order_id, name, rev) == code for name in called(station)):
            rows.close()
            return _Meant(order_pk, station, rev)
    raise CommandRefused(
        f"no order of the newest {LOOK_BACK} has the barcode {code}; name the order",
        f"最近 {LOOK_BACK} 张订单里没有条码 {code}：请指定订单",
    )


# -- what follows ----------------------------------------------------------------------------------------------------


def _is_recent(tx: Tx, order_pk: int, station: str) -> bool:
    sql = (
        "SELECT count(*) FROM (SELECT 1 FROM bumps WHERE n > "
        "(SELECT n FROM bumps WHERE order_pk = ? AND station = ?) LIMIT ?)"
    )
    return int(tx.execute(sql, (order_pk, station, RECALLABLE)).fetchone()[0]) < RECALLABLE


def _no_longer_ready(tx: Tx, order_pk: int) -> None:
    """It is what its tickets make it, and the cloud is told."""
    rev, state = tx.execute("SELECT rev, state FROM orders WHERE pk = ?", (order_pk,)).fetchone()
    if state != "ready":
        return
    now_is = closing.outcome(tx, order_pk) or "accepted"
    tx.execute("UPDATE orders SET state = ? WHERE pk = ?", (now_is, order_pk))
    add_report(tx, OrderState(orders.order_ref(tx, order_pk), rev, now_is, reason=RECALLED))


def _named(tx: Tx, order_pk: int, parts: list[Part] | None = None) -> str:
    ref = orders.order_ref(tx, order_pk)
    where = ", ".join(part.station for part in parts or [])
    return f"order {ref.id[:50]} (#{ref.no[:50]})" + (f" at {where}" if where else "")
