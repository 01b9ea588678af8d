"""The alarm ticket: one printer tells the staff that another one needs them."""

from collections.abc import Sequence
from datetime import datetime

from agent.model.layout import Layout
from agent.model.ticket import Language, Notice
from agent.tickets.subject import Alarm
from agent.tickets.template import shipped


def alarm(notice: Notice, language: Language, orders: Sequence[str], waiting: int, at: datetime) -> Layout:
    """What is wrong, where, what to do, the `orders` that are in that printer, and how many tickets wait for it."""
    return shipped().layout("alarm", Alarm(notice, tuple(orders), waiting, language, at), 48)[0]
