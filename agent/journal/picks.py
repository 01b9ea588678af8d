"""A person says which of the orders that wait shall be printed now, and which not at all."""

from agent.errors import CommandRefused
from agent.journal import waits
from agent.journal.file import Tx
from agent.journal.waits import FOR_A_PERSON
from agent.model.command import Pick

_NAMED = 20
_SEE = "see: shop-agent queue waiting"


def release(tx: Tx, pick: Pick) -> str:
    """They will be printed; returns what was done, in words.

    Raises:
        CommandRefused: one of them does not wait; nothing was changed.
    """
    picked = _find(tx, pick)
    for order_pk in picked:
        waits.free(tx, order_pk)
    return f"{_count(picked)} will be printed: {_names(picked)}"


def drop(tx: Tx, pick: Pick) -> str:
    """They will not be printed, and the cloud is told; otherwise as `release`."""
    picked = _find(tx, pick)
    for order_pk in picked:
        waits.drop(tx, order_pk, f"not printed, dropped{f' by {pick.by}' if pick.by else ''}")
    return f"{_count(picked)} dropped: {_names(picked)}"


def _find(tx: Tx, pick: Pick) -> dict[int, str]:
    """By key what people call them, in order of arrival."""
    if pick.all == bool(pick.orders):
        raise CommandRefused(f"name the orders, or all of them; {_SEE}", "请指定订单，或选全部")
    rows = tx.execute(
        "SELECT o.pk, o.order_id, o.channel, o.number, w.why FROM waits w JOIN orders o ON o.pk = w.order_pk "
        "WHERE w.why <> 'freed' ORDER BY w.n"
    ).fetchall()
    rows = [row for row in rows if pick.channel in ("", row[2]) and pick.why in ("", row[4])]
    if pick.all:
        picked = {row[0]: row[3] for row in rows if pick.why or row[4] in FOR_A_PERSON}
        if not picked:
            raise CommandRefused(f"no order waits for that; {_SEE}", "没有订单在等：可能刚被别人处理")
        return picked
    return dict(_named(rows, name, pick.exact) for name in dict.fromkeys(pick.orders))


def _named(rows: list[tuple[int, str, str, str, str]], name: str, exact: bool) -> tuple[int, str]:
    found = [row for row in rows if row[1] == name]
    if not found and not exact:
        found = [row for row in rows if row[3] == name.removeprefix("#")]
    if len(found) > 1:
        where = ", ".join(f"{row[1]} ({row[2]})" for row in found[:_NAMED])
        raise CommandRefused(
            f"{len(found)} orders are called {name[:50]}: {where}; name the id, or the channel",
            f"有 {len(found)} 张订单叫 {name[:50]}：{where}；请指定订单编号或渠道",
        )
    if not found:
        raise CommandRefused(f"order {name[:50]} does not wait; {_SEE}", f"订单 {name[:50]} 不在等：可能刚被别人处理")
    return found[0][0], found[0][3]


def _count(picked: dict[int, str]) -> str:
    return "1 order" if len(picked) == 1 else f"{len(picked)} orders"


def _names(picked: dict[int, str]) -> str:
    names = [f"#{number}" for number in picked.values()]
    return ", ".join(names[:_NAMED]) + (" …" if len(names) > _NAMED else "")
