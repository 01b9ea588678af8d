"""Whether the box brings itself up to date now. Pure: the words of a decision are for the log and for whoever asks."""

from datetime import time
from enum import StrEnum

import msgspec

from agent.overview.state import Overview, Words

CALM_S = 600
"""So long no order has come: a shop that just sold something may sell more."""
ROOM_BYTES = 200 << 20
"""For the new version beside the old one, both as packages too."""
_DO = "sudo systemctl start shop-agent", "sudo shop-agent update --now"
_HOW = f"先启动它：{_DO[0]}，或者马上更新：{_DO[1]}", f"start it, {_DO[0]}; or update it all the same, {_DO[1]}"


class Verdict(StrEnum):
    """`later`: the next look may find otherwise. `no`: not until a person or another version changes something."""

    GO = "go"
    LATER = "later"
    NO = "no"


class Decision(msgspec.Struct, frozen=True):
    """And why."""

    verdict: Verdict
    why: Words


class Moment(msgspec.Struct, frozen=True, kw_only=True):
    """What holds now. `asked`: a person wants it at once. `local`: the shop's time; None where nobody knows it. `seen`:
    the running agent's word, None where none runs; `silent`: one runs and gives no answer; `left`: tickets that are not
    settled in the journal while none runs, None where that can't be read. `idle_s`: since the newest order came, None
    before the first.
    """

    automatic: bool
    hours: str
    asked: bool
    local: time | None
    seen: Overview | None
    silent: bool
    left: int | None = 0
    idle_s: float | None
    free_bytes: int


class Offer(msgspec.Struct, frozen=True, kw_only=True):
    """What the repository has. `newer`: than what is here. `oldest`: the oldest schema of a journal whose program may
    go on with what the offered version leaves, None where its package does not say; `schema`: what the one here knows.
    """

    present: str
    version: str
    newer: bool
    oldest: int | None
    schema: int
    refused: str = ""


def in_hours(hours: str, local: time) -> bool:
    """`03:00-05:00`, the end not included; over midnight too. The same twice is the whole day."""
    since, until = (time.fromisoformat(each) for each in hours.split("-"))
    if since < until:
        return since <= local < until
    return local >= since or local < until


def may_now(moment: Moment) -> Decision:
    """Is this the moment? A person may choose any, but not one with tickets waiting for an agent that runs."""
    if not moment.asked:
        if not moment.automatic:
            return _no("没有打开自动更新（updates.automatic）", "updates.automatic is off")
        if moment.local is None:
            return _later("还没有对时，不知道几点", "nobody has set this box's clock yet")
        if not in_hours(moment.hours, moment.local):
            return _later(f"不在更新时段 {moment.hours}", f"not within the hours {moment.hours}")
    if moment.silent:
        return _later("程序在运行，但不回答", "the agent runs and gives no answer")
    if moment.seen is not None and moment.seen.tickets.waiting:
        waiting = moment.seen.tickets.waiting
        return _later(f"还有 {waiting} 张小票没打完", f"{waiting} tickets are not settled")
    if moment.left is None and not moment.asked:
        return _later(
            f"程序没有运行，账本读不出：{_HOW[0]}", f"the agent is down, and its journal can't be read: {_HOW[1]}"
        )
    if moment.left and not moment.asked:
        return _later(
            f"程序没有运行，还有 {moment.left} 张小票没打完：{_HOW[0]}",
            f"the agent is down, and {moment.left} tickets are not settled: {_HOW[1]}",
        )
    if moment.idle_s is not None and 0 <= moment.idle_s < CALM_S and not moment.asked:
        return _later("刚来过订单", "an order came in the last minutes")
    if moment.free_bytes < ROOM_BYTES:
        wanted, free = ROOM_BYTES >> 20, moment.free_bytes >> 20
        return _later(f"磁盘只剩 {free} MB，要 {wanted} MB", f"{free} MB are free on the disk, {wanted} MB are needed")
    return _go("可以更新", "this is a moment for it")


def worth(offer: Offer, *, asked: bool) -> Decision:
    """Is what is offered to be installed? Only where there is a way back: the journal that it leaves, with the orders
    that come meanwhile, must be one that the version of now can go on with.
    """
    if not offer.version:
        return _no(
            "软件源里没有这个软件：请检查软件源，再运行 sudo shop-agent update",
            "the repository's lists have no shop-agent: see that it is right, then: sudo shop-agent update",
        )
    if not offer.newer:
        return _no(f"已是最新版 {offer.present}", f"{offer.present} is the newest there is")
    if offer.refused and not asked:
        return _no(f"{offer.version} 装过又退回了：{offer.refused}", f"{offer.version} was undone: {offer.refused}")
    if offer.oldest is None or offer.oldest > offer.schema:
        by_hand = f"sudo apt install shop-agent={offer.version}"
        return _no(
            f"{offer.version} 换了账本格式，装了就退不回 {offer.present}；要装请人工：{by_hand}",
            f"{offer.version} changes the journal so that {offer.present} could not come back; by hand: {by_hand}",
        )
    return _go(f"{offer.present} → {offer.version}", f"{offer.present} → {offer.version}")


def _go(zh: str, en: str) -> Decision:
    return Decision(Verdict.GO, Words(zh, en))


def _later(zh: str, en: str) -> Decision:
    return Decision(Verdict.LATER, Words(zh, en))


def _no(zh: str, en: str) -> Decision:
    return Decision(Verdict.NO, Words(zh, en))
