"""Shall an accepted order be printed now? Too old, too many, too early. Pure: whoever asks says what time it is."""

from collections import deque
from datetime import UTC, datetime, timedelta

import msgspec

from agent.model.order import Customer

MINUTE_S = 60.0
_NOBODY = {
    "散客",
    "顾客",
    "客人",
    "客户",
    "游客",
    "匿名",
    "匿名用户",
    "微信用户",
    "支付宝用户",
    "guest",
    "walk-in",
    "customer",
    "anonymous",
}
"""Names that tills write for whoever it is: many of them in a minute are a rush, not a flood."""


class Said(msgspec.Struct, frozen=True):
    """The times that an event and its order name, all of them with a zone."""

    told_at: datetime | None = None
    placed_at: datetime | None = None
    due_at: datetime | None = None
    release_at: datetime | None = None
    expires_at: datetime | None = None


def judge_age(said: Said, now: datetime | None, max_age: timedelta, lead: timedelta) -> timedelta | None:
    """How old an order is when it is too old to be printed unasked; None when it is not.

    It is when it expired, or when it was told or placed more than `max_age` ago. Its time to be printed counts instead
    where that came later, and what is still to be ready in the future is not old. `now` None: nobody knows the time.
    """
    if now is None:
        return None
    told = [moment for moment in (said.told_at, said.placed_at) if moment is not None]
    since = min(told, default=None)
    if said.expires_at is not None and said.expires_at < now:
        return now - (since or said.expires_at)
    planned = [said.release_at, None if said.due_at is None else _ahead_of(said.due_at, lead)]
    times = [moment for moment in (since, *planned) if moment is not None]
    if not times or any(moment is not None and moment > now for moment in (said.due_at, said.release_at)):
        return None
    age = now - max(times)
    return age if age > max_age else None


def judge_time(said: Said, now: datetime | None, lead: timedelta) -> datetime | None:
    """When an order that was placed in advance shall be printed; None: now.

    `release_at` says it; else it is `lead` before `due_at`, where that is further away than twice the lead: what is due
    sooner is cooked at once, as ever. `now` None: nobody knows the time, and rather early than never.
    """
    if now is None:
        return None
    if said.release_at is not None:
        return said.release_at if said.release_at > now else None
    if said.due_at is None or said.due_at - now <= 2 * lead:
        return None
    return _ahead_of(said.due_at, lead)


def _ahead_of(moment: datetime, lead: timedelta) -> datetime:
    """So much earlier by a watch, also in the night in which the clocks are changed."""
    return moment.astimezone(UTC) - lead


def customer_key(channel: str, customer: Customer | None) -> str | None:
    """Who ordered, as far as that can be told apart; None where the order does not say, or where it says 散客."""
    if customer is None or not (customer.name or customer.phone_tail):
        return None
    if not customer.phone_tail and (customer.name or "").strip().casefold() in _NOBODY:
        return None
    return f"{channel}\0{customer.name or ''}\0{customer.phone_tail or ''}"


class Floods:
    """Orders of the last minute, by customer and in all, by when they arrived. What was held does not count.

    A limit of 0 is none. An order that is asked about again gets its old answer.
    """

    def __init__(self, per_customer: int, total: int) -> None:
        self._per_customer, self._total = per_customer, total
        self._passed: deque[tuple[float, str, str | None]] = deque()
        self._orders: set[str] = set()
        self._counts: dict[str | None, int] = {}

    def is_surplus(self, order: str, customer: str | None, at: float) -> bool:
        """Is this order one too many? `at` is when it arrived, in seconds of a clock that never jumps."""
        self._forget(at - MINUTE_S)
        if order in self._orders:
            return False
        if self._total and len(self._passed) >= self._total:
            return True
        if customer is not None and self._per_customer and self._counts.get(customer, 0) >= self._per_customer:
            return True
        self._passed.append((at, order, customer))
        self._orders.add(order)
        self._counts[customer] = self._counts.get(customer, 0) + 1
        return False

    def _forget(self, before: float) -> None:
        while self._passed and self._passed[0][0] <= before:
            _, order, customer = self._passed.popleft()
            self._orders.discard(order)
            self._counts[customer] -= 1
            if not self._counts[customer]:
                del self._counts[customer]
