"""One page on a printer that no worker looks after, over a link of its own: no job, no retry, no second copy."""

from collections.abc import Callable
from contextlib import closing

import msgspec

from agent.clock import Clock
from agent.config import Printer
from agent.encode.press import Encoded
from agent.errors import CommandRefused, LinkBroken, Unavailable
from agent.model.job import Intent
from agent.model.printer import Capabilities, Confirmed, NeedsHuman, NotPrinted, Outcome, Presumed, Unknown
from agent.model.profile import PROFILES
from agent.printers.link import Connector
from agent.printers.meeting import Patience
from agent.printers.session import Session
from agent.spool.desk import DOTS_A_LINE, SLACK_LINES

_TOKEN = "PAGE"


class Delivered(msgspec.Struct, frozen=True):
    """What became of the page, and what the printer was seen to be; `facts` are firmware, maker, model and number."""

    outcome: Outcome
    can: Capabilities
    facts: tuple[str, ...] = ()


def deliver(
    page: Encoded, printer: Printer, cable: Connector, clock: Clock, give_up: Callable[[], bool] = lambda: False
) -> Delivered:
    """Print it, and wait for the printer's word. Blocks for some seconds; 15 s and more with one that falls silent.

    Raises:
        Unavailable: nobody is there, or another program has it. Nothing was sent.
        CommandRefused: it needs a person first. Nothing was sent.
    """
    with closing(cable.open()) as link:
        patience, profile = Patience(), PROFILES[printer.profile]
        session = Session(link, clock, cable, give_up, lambda _: None, patience, dots=printer.dots, profile=profile)
        try:
            facts = _meet(session)
        except LinkBroken as exc:
            raise Unavailable(f"{exc}; nothing was printed: try again") from exc
        most_lines = page.lines + page.feed_dots // DOTS_A_LINE + SLACK_LINES
        intent = Intent(_TOKEN, page.lines, most_lines, page.cuts, drawn=page.drawn)
        try:
            outcome = session.send(page.data, intent, most_lines, page.breaks) or session.settle()
        except (LinkBroken, Unavailable) as exc:
            outcome = Unknown(str(exc))
        return Delivered(outcome, session.capabilities, facts)


def _meet(session: Session) -> tuple[str, ...]:
    """What it is, once it is well."""
    can = session.probe()
    facts = () if can is None else session.facts() or ()
    if need := session.status.need if can is None else session.preflight():
        raise CommandRefused(
            f"the printer needs a person first: {need}; then try again",
            "打印机需要人处理（缺纸、开盖或切刀）：处理后再试",
        )
    return facts


def told(outcome: Outcome) -> tuple[str, str]:
    """An outcome as a job's state and the reason."""
    match outcome:
        case Confirmed() | Presumed():
            return "completed", ""
        case NeedsHuman(need):
            return "held", f"it needs a person: {need}"
        case NotPrinted(reason):
            return "canceled", reason
        case Unknown(evidence):
            return "unconfirmed", evidence
