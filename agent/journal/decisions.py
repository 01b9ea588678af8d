"""A person settles a ticket: what somebody saw with their own eyes is evidence too."""

from agent.errors import CommandRefused
from agent.journal import closing, jobs, notes, notices, orders
from agent.journal.file import Tx
from agent.journal.jobs import Settlement
from agent.model.command import Decision, Settle
from agent.model.job import FINAL, Job, JobState, Mark

_OPEN_TO_A_PERSON = (JobState.HELD, JobState.UNCONFIRMED)


def decide(tx: Tx, command: Settle) -> str:
    """Carry out what a person decided about a ticket; returns what was done, in words.

    Raises:
        CommandRefused: there is no such ticket, or it is not in doubt; the text says what to do instead.
    """
    job = _find(tx, command)
    _refuse_if_needless(job, command.decision)
    who = f" by {command.by}" if command.by else ""
    match command.decision:
        case "printed":
            outcome = Settlement(JobState.COMPLETED, "witnessed", f"seen on paper{who}")
            done = "taken as printed"
        case "discard":
            mark = None if job.intent is None else Mark.POSSIBLE_DUPLICATE  # it may be on paper all the same
            outcome = Settlement(JobState.CANCELED, reason=f"{closing.DISCARDED}{who}", mark=mark)
            done = "discarded"
        case "again":
            mark = None if job.intent is None else Mark.POSSIBLE_DUPLICATE
            outcome = Settlement(JobState.PENDING, reason=f"to be printed again, asked{who}", mark=mark)
            done = "will be printed" if mark is None else "will be printed again, marked"
    state = jobs.settle(tx, job, outcome) if job.state is not JobState.ABORTED else job.state
    if state is JobState.CANCELED and command.decision == "again":
        done = "not printed again: a newer revision or a cancel holds"
    if job.intent is not None:  # whatever a person saw: a piece of it may hang there
        jobs.note_torn(tx, job.printer)
    notes.clear_alarm(tx, f"ticket:{job.id}")
    if job.order_pk is not None:
        ref = orders.order_ref(tx, job.order_pk)
        notices.withdraw(tx, job.printer, "doubt", ref.no or ref.id)
    return f"ticket {job.id} (order {job.order_id or 'none'}): {done}"


def _find(tx: Tx, command: Settle) -> Job:
    if command.ticket is not None:
        job = jobs.find(tx, command.ticket)
        if job is None:
            raise CommandRefused(
                f"there is no ticket {command.ticket}; see: shop-agent queue list",
                f"没有小票 {command.ticket}：请看小票页",
            )
        _refuse_if_another(job, command)
        return job
    waiting = [
        job
        for job in jobs.unsettled(tx)
        if job.order_id == command.order
        and command.channel in ("", job.channel)
        and command.station in ("", job.station)
        and job.state in _OPEN_TO_A_PERSON
    ]
    if len(waiting) != 1:
        numbers = ", ".join(f"{job.id} at {job.station}" for job in waiting) or "none"
        raise CommandRefused(
            f"order {command.order} has not one ticket that waits for this ({numbers}); name the ticket",
            f"订单 {command.order} 不是正好一张小票在等（{numbers}）：请指定小票",
        )
    return waiting[0]


def _refuse_if_another(job: Job, command: Settle) -> None:
    """Numbers begin anew when a journal is lost: where the order is named too, it must be the ticket's."""
    named = ((command.order, job.order_id), (command.channel, job.channel), (command.station, job.station))
    if any(said not in ("", known) for said, known in named):
        raise CommandRefused(
            f"ticket {job.id} is of order {job.order_id or 'none'} at {job.station}, another one",
            f"小票 {job.id} 是另一张订单的：请刷新页面",
        )


def _refuse_if_needless(job: Job, decision: Decision) -> None:
    if job.state in _OPEN_TO_A_PERSON or (job.state is JobState.PENDING and decision == "discard"):
        return
    if job.state is JobState.ABORTED and decision == "discard":
        return
    if job.state is JobState.PROCESSING:
        raise CommandRefused(
            f"ticket {job.id} is being printed now; wait until its printer has answered",
            f"小票 {job.id} 正在打印：请等打印机应答",
        )
    if job.state in FINAL:
        raise CommandRefused(
            f"ticket {job.id} is settled: {job.state}; nothing is left to decide",
            f"小票 {job.id} 已经有结果，不用再处理",
        )
    raise CommandRefused(
        f"ticket {job.id} waits for its printer and will be printed; only discard is possible",
        f"小票 {job.id} 在等打印机，会自动打印；现在只能选“不打”",
    )
