"""A ticket in plain words, Chinese and English: where it is, on what grounds, and what may be done about it. Pure."""

from collections.abc import Collection
from typing import Literal, NamedTuple

from agent.journal.closing import DISCARDED
from agent.journal.tickets import Move, Seen
from agent.model.job import FINAL, JobKind, JobState, Mark
from agent.model.ticket import IDENTIFY, PAPER, TEST, WELCOME

Said = tuple[str, str]
Tone = Literal["good", "busy", "look", "bad", "off"]

KINDS: dict[JobKind, Said] = {
    JobKind.ORDER: ("", ""),
    JobKind.AMEND: ("改单", "amended"),
    JobKind.CANCEL: ("作废", "void"),
    JobKind.RAW: ("现成内容", "ready-made"),
    JobKind.NOTICE: ("通知", "notice"),
    JobKind.SUMMARY: ("迟到订单汇总", "list of late orders"),
}
NOTICES: dict[str, Said] = {
    TEST: ("测试页", "test page"),
    WELCOME: ("欢迎小票", "welcome ticket"),
    IDENTIFY: ("打印机名字", "printer's name"),
    PAPER: ("纸宽测试", "paper test"),
}
MARKS: dict[Mark, Said] = {
    Mark.POSSIBLE_DUPLICATE: ("补打：可能重复", "reprint: possible duplicate"),
    Mark.DISCARD_PIECE_ABOVE: ("补打：上面那截作废", "reprint: discard the piece above"),
    Mark.JOURNAL_REBUILT: ("补打：账本重建过", "reprint: the journal was rebuilt"),
    Mark.ASKED: ("补打：有人要求", "reprint: asked for"),
}
NEEDS: dict[str, Said] = {
    "paper": ("缺纸", "no paper"),
    "cover": ("盖子开着", "the cover is open"),
    "cutter": ("切刀卡住", "the cutter is jammed"),
    "error": ("打印机故障", "the printer is at fault"),
    "offline": ("打印机脱机", "the printer is offline"),
}
_EVIDENCE: dict[str, Said] = {
    "confirmed": ("已打印 · 打印机已确认", "Printed · the printer confirmed it"),
    "presumed": ("按已打算 · 这台打印机不会应答", "Taken as printed · this printer can't answer"),
    "witnessed": ("已打印 · 有人在纸上看到", "Printed · somebody saw it on paper"),
    "unconfirmed": ("可能没打出 · 打印机后来才应答", "Perhaps not printed · its printer answered only later"),
}
_STATES: dict[JobState, tuple[Said, Tone]] = {
    JobState.PENDING: (("等待打印", "Waits for its printer"), "busy"),
    JobState.PROCESSING: (("正在打印", "Being printed"), "busy"),
    JobState.HELD: (("打印机需要人", "The printer needs you"), "look"),
    JobState.UNCONFIRMED: (("不确定是否打出：请看纸", "Perhaps on paper: please look"), "bad"),
    JobState.COMPLETED: (("已打印", "Printed"), "good"),
    JobState.ABORTED: (("打不出来", "Can't be printed"), "bad"),
    JobState.CANCELED: (("不用打了", "Not needed any more"), "off"),
}
ORDERS: dict[str, tuple[str, str]] = {
    "accepted": ("已接单", "accepted"),
    "held": ("等人决定", "waits for a person"),
    "rejected": ("没有打印", "not printed"),
    "canceled": ("已取消", "cancelled"),
    "printed": ("全部打印", "all printed"),
    "partly_printed": ("打印了一部分", "printed in part"),
    "ready": ("已出餐", "ready"),
}
CAME: dict[str, Said] = {
    "upsert": ("来单", "the order came"),
    "cancel": ("取消", "the order was cancelled"),
    "raw": ("内容来到", "the content came"),
}
_REASONS: tuple[tuple[str, str], ...] = (
    ("process_id", "打印机应答了这张票的编号"),
    ("status", "打印机在这张票后面应答了状态"),
    ("its printer seemed to answer nothing", "打印机原来会应答：可能没打出，再打一张并注明补打"),
    ("it took every byte", "打印机收下了全部内容，它不会应答"),
    ("seen on paper", "有人在纸上看到"),
    ("settled by its late answer", "打印机后来应答了，或计数器吻合"),
    ("certainly not printed", "确定没有打出，重新打印"),
    ("perhaps printed: printed again", "可能已打出，再打一张并注明补打"),
    ("a piece was printed", "只打出一截，再打一张并注明补打"),
    ("perhaps printed: a person must say", "可能已打出，请人看纸决定"),
    ("to be printed again, asked", "有人要求重打"),
    (DISCARDED, "有人决定不打"),
    ("replaced after it was discarded", "有人决定不打，之后又有新版订单"),
    ("replaced by a newer revision", "已被新版订单取代"),
    ("the order was cancelled", "订单已取消"),
    ("there is nothing on paper to take back", "没有打出过，不用作废"),
    ("the printer is well again", "打印机恢复正常"),
    ("another printer stands in", "由另一台打印机代打"),
    ("its station has another printer now", "档口换了打印机"),
    ("the trouble is over", "问题已解决"),
    ("a newer code counts", "已有新的代码"),
    ("its printer is no longer configured", "打印机已从配置中移除"),
    ("in doubt again and again", "反复不确定"),
    ("no answer in time", "打印机没有及时应答"),
    ("link lost while sending", "送到一半线路断了"),
    ("stopped while", "停机时还没等到应答"),
    ("link lost before the answer", "应答之前线路断了"),
    ("it answered, but", "应答了，但不可信：请看纸"),
    ("it used to answer", "以前会应答，现在没有声音"),
    ("a fence was answered", "应答不完整"),
    ("what came behind it was answered", "后面的应答了，这一张没有"),
    ("the cable still holds", "线里还有没送完的内容"),
)
"""What a reason begins with, as the rooms write it, and what that is in Chinese."""


_DECIDED = ("seen on paper", "to be printed again, asked", DISCARDED)


class Act(NamedTuple):
    """A button: the handler, what goes with it, its words, and what is asked first."""

    name: str
    fields: dict[str, object]
    label: Said
    ask: Said = ("", "")


def state_words(ticket: Seen) -> tuple[Said, Tone]:
    """Where it is, on what grounds, and how that looks."""
    said, tone = _STATES[ticket.state]
    if ticket.state is JobState.COMPLETED:
        return _EVIDENCE.get(ticket.evidence, said), "look" if ticket.evidence in ("presumed", "unconfirmed") else tone
    if ticket.state is JobState.HELD and ticket.reason in NEEDS:
        zh, en = NEEDS[ticket.reason]
        return (f"{zh}：修好后自动打印", f"Held: {en}; prints by itself once that is mended"), tone
    if ticket.state is JobState.CANCELED and ticket.reason.startswith(DISCARDED):
        return ("不打了：有人决定", "Not printed: somebody decided so"), tone
    return said, tone


def reason_words(reason: str) -> Said:
    """Why it is there; what is not known here stays as it is written."""
    if reason in NEEDS:
        return NEEDS[reason]
    zh = next((zh for begins, zh in _REASONS if reason.startswith(begins)), reason)
    who = reason.rpartition(" by ")[2] if " by " in reason and reason.startswith(_DECIDED) else ""
    return (f"{zh}（{who}）" if who else zh, reason)


def move_words(move: Move, evidence: str) -> Said:
    """One step of its way; `evidence` is what the last one rests on."""
    said, _ = _STATES[move.new]
    if move.new is JobState.COMPLETED:
        said = _EVIDENCE.get(evidence, said)
    return said


def acts(ticket: Seen, handlers: Collection[str], alarmed: bool) -> list[Act]:
    """What may be done about it. `alarmed`: a person is still called for it."""
    about: dict[str, object] = {"ticket": ticket.id}
    named = about | {"order": ticket.order, "channel": ticket.channel} if ticket.order else about
    discard = Act(
        "settle",
        {**named, "decision": "discard"},
        ("不打", "Don’t print"),
        ("这张票不打了？", "Not print this ticket at all?"),
    )
    retry = [Act("retry", about, ("再试", "Try now"))] if "retry" in handlers else []
    match ticket.state:
        case JobState.UNCONFIRMED | JobState.HELD if ticket.sent:
            whole = ("整张都在纸上", "All of it is on paper")
            printed = Act("settle", {**named, "decision": "printed"}, whole)
            again = Act("settle", {**named, "decision": "again"}, ("重打（注明补打）", "Print again, marked"))
            return [printed, again, discard]
        case JobState.PENDING | JobState.HELD:
            return [*retry, discard]
        case JobState.ABORTED if alarmed:
            return [discard, *_reprint(ticket, named)]
    return _reprint(ticket, named) if ticket.state in FINAL else []


def _reprint(ticket: Seen, named: dict[str, object]) -> list[Act]:
    """Only of an order, and only what was printed or should have been."""
    gone = ticket.state is JobState.CANCELED and not ticket.reason.startswith(DISCARDED)
    if not ticket.order or gone:
        return []
    return [Act("reprint", named, ("补打", "Reprint"))]
