"""All checks, in the order in which they are run: what can do no harm first, what needs a person last."""

from collections.abc import Callable

import msgspec

from agent.printers.conformance import answers, cable, hands, tickets
from agent.printers.conformance.bench import Bench
from agent.printers.conformance.verdict import Verdict


class Check(msgspec.Struct, frozen=True):
    """One check: its name, what it shows in two languages, and what it needs.

    `needs_known`: it is run only when it is known what the printer can prove.
    """

    name: str
    zh: str
    en: str
    run: Callable[[Bench], Verdict]
    needs_paper: bool = False
    needs_person: bool = False
    needs_known: bool = True


CHECKS = (
    Check("open", "打开连接", "opening and who it is", cable.opens, needs_known=False),
    Check("probe", "确认能力", "what it can prove", answers.probes, needs_known=False),
    Check("facts", "自述", "what it says of itself", answers.facts),
    Check("second-open", "独占", "one program at a time", cable.second_open),
    Check("silence", "读超时", "reads end in time", cable.silence),
    Check("write", "写计数", "writes count and end in time", cable.writes),
    Check("port-status", "接口状态", "the cable's own status", cable.port_status),
    Check("realtime", "实时状态", "real-time status", answers.realtime_forms),
    Check("in-step", "问答同步", "50 quick rounds of questions", answers.stays_in_step),
    Check("tokens", "一票一控回显", "process IDs", answers.echoes_tokens),
    Check("ticket", "打印小票", "a ticket", tickets.ticket, needs_paper=True),
    Check("chinese", "中文小票", "a ticket in Chinese", tickets.chinese, needs_paper=True),
    Check("fence", "打完才应答", "the answer comes after the print", tickets.fence, needs_paper=True),
    Check("counters", "计数器", "counters move as the ticket says", tickets.counts, needs_paper=True),
    Check("resync", "断线恢复", "half a command leaves no text", tickets.resyncs, needs_paper=True),
    Check("long", "长票流控", "more than its buffer holds", tickets.long_ticket, needs_paper=True),
    Check("late-answer", "迟到应答", "closed right behind the last byte", tickets.late_answer, needs_paper=True),
    Check("reopen", "反复连接", "20 times closed and opened", cable.reopens),
    Check("cover", "开盖", "the cover within a ticket", hands.cover, needs_paper=True, needs_person=True),
    Check("paper-out", "缺纸", "paper that ends within a ticket", hands.paper_out, needs_paper=True, needs_person=True),
    Check("power", "断电", "the plug within a ticket", hands.power, needs_paper=True, needs_person=True),
    Check("cable", "拔线", "the cable within a ticket", hands.cable, needs_paper=True, needs_person=True),
)
