"""A person has a ticket printed on another printer than its station's. It stays there, also over a restart."""

from agent.errors import CommandRefused
from agent.journal import jobs, notes
from agent.journal.decisions import decide
from agent.journal.file import Tx
from agent.journal.pauses import is_paused
from agent.model.command import Move, Settle
from agent.model.job import FINAL, Job, JobKind, JobState, Mark

_KEY = "moved:"


def move(tx: Tx, command: Move, printer: str) -> str:
    """Give it to `printer`; unmarked where nothing of it can be on paper, else as a possible duplicate. Returns what
    was done, in words.

    Raises:
        CommandRefused: it can't be moved now; the text says why, and what to do instead.
    """
    job = jobs.find(tx, command.ticket)
    if job is None:
        raise CommandRefused(
            f"there is no ticket {command.ticket}; see: shop-agent queue list", f"没有小票 {command.ticket}：请看小票页"
        )
    _refuse(tx, job, printer)
    about = f"ticket {job.id} (order {job.order_id or 'none'})"
    if job.intent is not None:
        said = decide(tx, Settle("again", ticket=job.id, by=command.by))
        job = jobs.find(tx, job.id) or job
        if job.state is not JobState.PENDING:
            return said
    if job.mark is Mark.DISCARD_PIECE_ABOVE:  # the piece hangs at the other printer
        tx.execute("UPDATE jobs SET mark = ? WHERE id = ?", (Mark.POSSIBLE_DUPLICATE, job.id))
    jobs.move_home(tx, job, printer)
    notes.set_meta(tx, f"{_KEY}{job.id}", printer)
    how = ", marked" if job.mark is not None else ""
    waits = f", once somebody resumes it: shop-agent printers resume {printer}" if is_paused(tx, printer) else ""
    return f"{about}: will be printed on {printer}{how}{waits}"


def _refuse(tx: Tx, job: Job, printer: str) -> None:
    if job.kind is JobKind.NOTICE:
        raise CommandRefused(
            f"ticket {job.id} is a notice about {job.station}; only orders' tickets are moved",
            "通知不能换打印机，只有订单小票可以",
        )
    if job.state in FINAL:
        advice = "to print it once more: shop-agent reprint"
        raise CommandRefused(
            f"ticket {job.id} is settled: {job.state}; {advice}", f"小票 {job.id} 已经有结果：要再打请用“补打”"
        )
    if job.state is JobState.PROCESSING:
        raise CommandRefused(
            f"ticket {job.id} is being printed now; wait until its printer has answered",
            f"小票 {job.id} 正在打印：请等打印机应答",
        )
    if printer == job.home and job.intent is None:
        raise CommandRefused(
            f"ticket {job.id} waits for {printer} already; to try it now: shop-agent queue retry",
            f"小票 {job.id} 已经在等 {printer}：要马上打请点“再试”",
        )
    if printer == job.printer and job.intent is not None:
        raise CommandRefused(
            f"{printer} has ticket {job.id}; look at the paper, then: shop-agent queue again {job.id}",
            f"小票 {job.id} 就在 {printer} 里：请看纸，没有就点“重打”",
        )
    if (older := _older_in_a_printer(tx, job)) is not None:
        raise CommandRefused(
            f"ticket {older.id} of the same order lies in {older.printer}, and this one must come out after it; "
            f"say what became of that one first: shop-agent queue printed {older.id}",
            f"同一订单的小票 {older.id} 还在 {older.printer} 里，这一张要排在它后面：请先说那一张打出没有",
        )


def _older_in_a_printer(tx: Tx, job: Job) -> Job | None:
    """One that comes before it at its station, and of which bytes went out."""
    here = (job.order_pk, job.station)
    before = (each for each in jobs.unsettled(tx) if (each.order_pk, each.station) == here and each.id < job.id)
    return next((each for each in before if each.intent is not None), None)


def hand_over(tx: Tx, printer: str, to: str) -> None:
    """What a person sent to a printer goes to another one, which has its place or its name now."""
    tx.execute("UPDATE meta SET value = ? WHERE key GLOB ? AND value = ?", (to, f"{_KEY}*", printer))


def kept(tx: Tx) -> dict[int, str]:
    """Where a person sent the tickets that are not settled yet; what is settled is forgotten."""
    found = {
        int(key.removeprefix(_KEY)): str(printer)
        for key, printer in tx.execute("SELECT key, value FROM meta WHERE key GLOB ?", (f"{_KEY}*",)).fetchall()
    }
    open_ = {job.id for job in jobs.unsettled(tx)} if found else set()
    for number in found.keys() - open_:
        tx.execute("DELETE FROM meta WHERE key = ?", (f"{_KEY}{number}",))
    return {number: printer for number, printer in found.items() if number in open_}
