"""An order that is news is let through to become tickets, or waits: the one place where that is decided.

Only an order without tickets waits. What the kitchen knows already is amended and taken back at once.
"""

from datetime import datetime, timedelta

import msgspec

from agent.clock import stamp
from agent.config import Intake
from agent.intake.acceptance import Acceptance, Came, Taken
from agent.intake.guard import Floods, Said, customer_key, judge_age, judge_time
from agent.intake.sequence import Numbers, Place, note_number
from agent.intake.timekeeper import TimeKeeper
from agent.journal import notes, orders, waits
from agent.journal.file import Tx
from agent.journal.orders import KnownOrder
from agent.journal.waits import Wait, Why
from agent.model.job import Mark
from agent.model.order import Event, Order, PrintRaw, Upsert
from agent.model.report import OrderState
from agent.model.ticket import Arrival

_NUMBERS = msgspec.json.Decoder(Numbers)


class Admission:
    """Runs on the journal's writer, within its transactions."""

    def __init__(self, acceptance: Acceptance, rules: Intake, times: TimeKeeper) -> None:
        self._acceptance = acceptance
        self._rules = rules
        self._times = times
        self._floods = Floods(rules.flood_per_customer_min, rules.flood_total_min)
        self._max_age = timedelta(minutes=rules.max_age_min)
        self._lead = timedelta(minutes=rules.lead_min)

    def admit(self, tx: Tx, event: Event, canonical: bytes, known: KnownOrder | None, came: Came) -> Taken:
        """Enter an event that is news. Its tickets are made now, or its order waits."""
        if not came.local:
            self._times.note(tx, _voice(event, came), event.time, came.at)
        arrival = Arrival(late=came.place is Place.LATE)
        data = event.data
        if not isinstance(data, Upsert | PrintRaw):
            return self._accept(tx, event, canonical, known, came, arrival)
        if known is None and isinstance(data, Upsert):
            self._note_number(tx, data.order)
        said, now = self._said(event), self._times.now()
        if (age := judge_age(said, self._times.agreed(), self._max_age, self._lead)) is not None:
            arrival = msgspec.structs.replace(arrival, old=max(1, int(age.total_seconds() // 60)))
        if known is not None and orders.has_tickets(tx, known.pk):
            return self._accept(tx, event, canonical, known, came, arrival)
        waiting = None if known is None else waits.find(tx, known.pk)
        until = judge_time(said, now, self._lead)
        why = self._why(data, came, arrival, until) if waiting is None else _still(waiting, until)
        if why is None:
            return self._accept(tx, event, canonical, known, came, arrival if waiting is None else waiting.arrival)
        order_pk = orders.put_order(tx, event, known, "held")
        orders.add_event(tx, event, canonical, order_pk)
        mark = self._acceptance.mark(tx, event, known, came) or waits.take_dropped(tx, order_pk)
        waits.enter(tx, Wait(order_pk, why, until, event.source, event.sequence, arrival, mark))
        return self._held(tx, order_pk, event, data.order.rev, why, until)

    def void_unseen(self, tx: Tx, event: Event, canonical: bytes, known: KnownOrder, came: Came) -> Taken | None:
        """An order whose cancel came first, but that a journal which is lost may have printed: it is taken back."""
        if not isinstance(event.data, Upsert) or orders.has_tickets(tx, known.pk):
            return None
        if self._acceptance.mark(tx, event, None, came) is not Mark.JOURNAL_REBUILT:
            return None
        return self._acceptance.void_unseen(tx, event, canonical, known)

    def _accept(
        self, tx: Tx, event: Event, canonical: bytes, known: KnownOrder | None, came: Came, arrival: Arrival
    ) -> Taken:
        if known is not None:
            waiting = waits.find(tx, known.pk)
            mark = waits.take_dropped(tx, known.pk) if waiting is None else waiting.mark
            failed = waiting is not None and waiting.why is Why.FAILED
            if mark is not None and not failed:  # what may be on paper is amended or taken back
                self._acceptance.release(tx, known.pk, waiting.arrival if waiting else Arrival(), mark)
            waits.end(tx, known.pk)
        return self._acceptance.accept(tx, event, canonical, known, came, arrival)

    def _held(self, tx: Tx, order_pk: int, event: Event, rev: int, why: Why, until: datetime | None) -> Taken:
        ref = orders.order_ref(tx, order_pk)
        at = stamp(until) if until is not None and why is Why.UPCOMING else ""
        notes.add_report(tx, OrderState(ref, rev, "held", event=event.id, reason=why, until=at))
        return Taken("order_held", order=ref.id, stirred=True)

    def _why(self, data: Upsert | PrintRaw, came: Came, arrival: Arrival, until: datetime | None) -> Why | None:
        """What a person must decide comes first; what waits for its own time need not wait for a gap."""
        if arrival.old and self._rules.old == "ask":
            return Why.OLD
        order = data.order
        customer = customer_key(order.channel, order.customer) if isinstance(order, Order) else None
        if not came.replayed and self._floods.is_surplus(f"{order.channel}\0{order.id}", customer, came.at):
            return Why.FLOOD
        if until is not None:
            return Why.UPCOMING
        return Why.GAP if came.place is Place.BEHIND_GAP else None

    def _said(self, event: Event) -> Said:
        moments = [event.time]
        if isinstance(event.data, Upsert):
            order = event.data.order
            moments += [order.placed_at, order.due_at, order.release_at, order.expires_at]
        return Said(*(None if moment is None else self._times.local(moment) for moment in moments))

    def _note_number(self, tx: Tx, order: Order) -> None:
        """Daily numbers without a hole: a soft warning, for channels that count."""
        number = str(order.no or "")
        if order.channel not in self._rules.daily_numbers or not (number.isascii() and number.isdigit()):
            return
        key = f"number:{order.channel}"
        kept = notes.get_meta(tx, key)
        seen = note_number(None if kept is None else _NUMBERS.decode(kept), int(number[:9]), self._times.business_day())
        notes.set_meta(tx, key, msgspec.json.encode(seen).decode())
        names = ", ".join(f"#{each}" for each in seen.missing)
        notes.show_alarm(tx, key, f"{names} not seen: ask the platform whether there is such an order" if names else "")


def _voice(event: Event, came: Came) -> str:
    """Who names an event's time: its order, whatever its revisions say; a replay brings many old ones."""
    return "" if came.replayed or event.data is None else f"{event.data.order.channel}\0{event.data.order.id}"


def _still(waiting: Wait, until: datetime | None) -> Why | None:
    """What a newer revision of an order that waits goes on waiting for: only its own time may be another one now, and
    what failed is tried again. What waits for its own time need not wait for a gap.
    """
    if waiting.why is Why.FAILED:
        return None
    if until is not None and waiting.why in (Why.GAP, Why.UPCOMING):
        return Why.UPCOMING
    return None if waiting.why is Why.UPCOMING else waiting.why
