"""Alarm tickets: jobs that belong to no order and tell the staff about a printer."""

import msgspec

from agent.errors import CommandRefused
from agent.journal import jobs, notes
from agent.journal.file import Tx
from agent.journal.jobs import NewJob, Settlement
from agent.model.job import JobKind, JobState
from agent.model.ticket import READ_NOTICE, TEST, WELCOME, Notice


def post(tx: Tx, notice: Notice, printer: str) -> None:
    """To be printed by this printer."""
    jobs.add_jobs(tx, None, None, 0, [NewJob(notice.about, printer, JobKind.NOTICE, msgspec.json.encode(notice))])


def post_test(tx: Tx, printer: str, page: str = TEST) -> int:
    """A page that shows what this printer can do, or another `page`; returns its ticket's number. One at a time.

    Raises:
        CommandRefused: one waits already.
    """
    for job in jobs.open_notices(tx):
        if job.station == printer and READ_NOTICE.decode(job.share).trouble == page:
            raise CommandRefused(
                f"a test page waits for {printer} already (ticket {job.id}); look at the printer",
                f"{printer} 已有一张测试页在等：请看打印机",
            )
    post(tx, Notice(printer, page), printer)
    return int(tx.execute("SELECT max(id) FROM jobs").fetchone()[0])


def post_welcome(tx: Tx, notice: Notice, printer: str) -> None:
    """The page with the code that counts now; one with an older code that was not printed yet is not wanted."""
    for job in jobs.open_notices(tx):
        if job.state is JobState.PENDING and READ_NOTICE.decode(job.share).trouble == WELCOME:
            jobs.settle(tx, job, Settlement(JobState.CANCELED, reason="a newer code counts"))
    post(tx, notice, printer)


def withdraw(tx: Tx, about: str, trouble: str, order: str = "") -> None:
    """It is over (for this order): what was not printed need not be."""
    for job in jobs.open_notices(tx):
        if job.station != about or job.state is not JobState.PENDING:
            continue
        notice = READ_NOTICE.decode(job.share)
        if notice.trouble == trouble and order in ("", notice.order):
            jobs.settle(tx, job, Settlement(JobState.CANCELED, reason="the trouble is over"))


def forget_missing(tx: Tx, configured: set[str]) -> set[str]:
    """Printers that are no longer configured trouble nobody: their alarms and notices go. Returns their names."""
    gone = set()
    for key in notes.alarms(tx):
        kind, _, rest = key.partition(":")
        name = rest.rpartition(":")[0]
        if kind == "printer" and name not in configured:
            gone.add(name)
            notes.clear_alarm(tx, key)
    for job in jobs.open_notices(tx):
        if job.station not in configured and job.state is JobState.PENDING:
            jobs.settle(tx, job, Settlement(JobState.CANCELED, reason="its printer is no longer configured"))
    return gone
