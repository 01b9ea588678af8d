"""After a change of configuration: which printer each waiting ticket belongs to now."""

from agent.journal import jobs, notes, told, transfers
from agent.journal.file import Tx
from agent.journal.jobs import Settlement
from agent.model.job import Job, JobKind, JobState, Mark


def reroute(tx: Tx, printers: dict[str, str], fallback: str, configured: set[str]) -> int:
    """Tickets go to the printer that their station has now; of a station that is no more to the one that has the paper
    of their order. Returns how many moved.

    `printers` maps station to printer; `fallback` is the default station's; `configured` are all there are. A ticket
    in doubt stays with the printer that has it; where that one is gone for good nobody can ask it, so that the ticket
    is printed again, marked.
    """
    told.keep_configured(tx, configured)
    moved, elsewhere = 0, transfers.kept(tx)
    for job in jobs.unsettled(tx):
        if job.intent is not None and job.printer not in configured:
            _give_up_asking(tx, job)
        if job.kind is JobKind.NOTICE and job.home in configured:
            home = job.home
        elif job.station in printers:
            home = printers[job.station]
        else:
            home = told.paper_at(tx, job.order_pk, job.station) or fallback
        if elsewhere.get(job.id) in configured:  # a person said so
            home = elsewhere[job.id]
        if home != job.home:
            jobs.move_home(tx, job, home)
            moved += 1
    return moved


def tell_homeless(tx: Tx) -> None:
    """The alarm for stations whose tickets wait and that have no printer; it is down where there is none."""
    rows = tx.execute(
        "SELECT DISTINCT station FROM jobs INDEXED BY jobs_open WHERE home = '' "
        "AND state IN ('pending', 'held', 'processing', 'unconfirmed') ORDER BY station"
    )
    names = ", ".join(str(station) for (station,) in rows)
    notes.show_alarm(
        tx, "no_printer", f"no printer for station {names}: choose one on the page Stations" if names else ""
    )


def _give_up_asking(tx: Tx, job: Job) -> None:
    reason = f"printer {job.printer} is no longer configured"
    if job.state is not JobState.UNCONFIRMED:
        jobs.settle(tx, job, Settlement(JobState.UNCONFIRMED, reason=reason, keep_intent=True))
    jobs.settle(tx, job, Settlement(JobState.PENDING, reason=reason, mark=Mark.POSSIBLE_DUPLICATE))
