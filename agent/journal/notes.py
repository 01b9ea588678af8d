"""Small rows: alarms, the outbox, running numbers, what printers can do, facts about the journal itself."""

from datetime import UTC, datetime

import msgspec

from agent.clock import stamp
from agent.journal.file import Tx
from agent.model.acquaintance import Facts, Known
from agent.model.printer import Capabilities, Tier
from agent.model.report import AlarmState, Report

MOST_WITH_REMARKS = 4000
"""Where so many reports wait, none is added that tells of nothing new: a broker may send rubbish and take no report."""


class OutboxRow(msgspec.Struct, frozen=True):
    """A report that the broker has not taken yet."""

    pk: int
    type: str
    body: bytes
    at: str


def now() -> str:
    """The time that is stored with a row. UTC, RFC 3339."""
    return stamp(datetime.now(UTC))


def get_meta(tx: Tx, key: str) -> str | None:
    """A fact about the journal."""
    row = tx.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
    return None if row is None else str(row[0])


def set_meta(tx: Tx, key: str, value: str) -> None:
    """Keep a fact about the journal."""
    tx.execute("INSERT INTO meta VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value", (key, value))


def add_report(tx: Tx, report: Report) -> None:
    """Put a report into the outbox; it stays until the broker acknowledges it."""
    body = msgspec.to_builtins(report)
    kind = body.pop("kind")
    tx.execute("INSERT INTO outbox (type, body, at) VALUES (?, ?, ?)", (kind, msgspec.json.encode(body), now()))


def add_remark(tx: Tx, report: Report) -> None:
    """The same for one that tells of nothing new, as of rubbish, or of what is known: not where too many wait."""
    sql = "SELECT 1 FROM outbox LIMIT 1 OFFSET ?"  # counted: each start skips numbers
    if tx.execute(sql, (MOST_WITH_REMARKS - 1,)).fetchone() is None:
        add_report(tx, report)


def waiting_reports(tx: Tx, after_pk: int, most: int) -> list[OutboxRow]:
    """The oldest reports past `after_pk`."""
    rows = tx.execute("SELECT pk, type, body, at FROM outbox WHERE pk > ? ORDER BY pk LIMIT ?", (after_pk, most))
    return [OutboxRow(*row) for row in rows]


def newest_report(tx: Tx) -> int:
    """The number of the newest report; 0 where there is none. Numbers are never given twice."""
    return int(tx.execute("SELECT coalesce(max(pk), 0) FROM outbox").fetchone()[0])


def delete_reports(tx: Tx, pks: list[int]) -> None:
    """Forget reports that the broker has taken."""
    tx.executemany("DELETE FROM outbox WHERE pk = ?", [(pk,) for pk in pks])


def raise_alarm(tx: Tx, key: str, reason: str) -> bool:
    """Something needs a person; True when that is news. It stays until `clear_alarm`, also over a restart."""
    row = tx.execute("SELECT reason FROM alarms WHERE key = ?", (key,)).fetchone()
    if row is not None and row[0] == reason:
        return False
    tx.execute("INSERT OR REPLACE INTO alarms VALUES (?, ?, ?)", (key, reason, now()))
    add_report(tx, AlarmState(key, "raised", reason))
    return True


def renew_alarm(tx: Tx, key: str, reason: str, each_s: float) -> None:
    """Something more of its kind: raised, dated and reported anew at most each so many seconds; in between the alarm
    that is up only gets the new words.
    """
    row = tx.execute("SELECT since FROM alarms WHERE key = ?", (key,)).fetchone()
    since = None if row is None else datetime.fromisoformat(row[0])
    if since is None or abs((datetime.now(UTC) - since).total_seconds()) >= each_s:
        raise_alarm(tx, key, reason)
    else:
        tx.execute("UPDATE alarms SET reason = ? WHERE key = ?", (reason, key))


def clear_alarm(tx: Tx, key: str, why: str = "") -> bool:
    """It no longer does, because its cause is over or for this reason; True when that is news."""
    if tx.execute("DELETE FROM alarms WHERE key = ?", (key,)).rowcount == 0:
        return False
    add_report(tx, AlarmState(key, "cleared", why))
    return True


def show_alarm(tx: Tx, key: str, reason: str) -> None:
    """Up with a reason, down without."""
    if reason:
        raise_alarm(tx, key, reason)
    else:
        clear_alarm(tx, key)


def alarms(tx: Tx) -> dict[str, str]:
    """What needs a person now: key and reason."""
    return {str(key): str(reason) for key, reason in tx.execute("SELECT key, reason FROM alarms ORDER BY since")}


def alarms_since(tx: Tx) -> list[tuple[str, str, str]]:
    """What needs a person now: key, reason and since when, oldest first."""
    rows = tx.execute("SELECT key, reason, since FROM alarms ORDER BY since")
    return [(str(key), str(reason), str(since)) for key, reason, since in rows]


def next_number(tx: Tx, name: str, day: str) -> int:
    """The number after the last one given under this name on this day; 1 on a new day. Nothing is written."""
    row = tx.execute("SELECT number FROM numbers WHERE name = ? AND day = ?", (name, day)).fetchone()
    return 1 if row is None else int(row[0]) + 1


def keep_number(tx: Tx, name: str, day: str, number: int) -> None:
    """This number is given."""
    tx.execute("INSERT OR REPLACE INTO numbers VALUES (?, ?, ?)", (name, day, number))


def known_printer(tx: Tx, printer: str, link: str) -> Known | None:
    """What is known of this printer at this link; None when it was never met there."""
    row = tx.execute(
        "SELECT tier, realtime, counters, port, device, model, firmware FROM printers WHERE name = ? AND link = ?",
        (printer, link),
    ).fetchone()
    if row is None:
        return None
    return Known(Capabilities(Tier(row[0]), tuple(map(int, row[1])), bool(row[2])), Facts(*row[3:]))


def has_twin(tx: Tx, printer: str, known: Known) -> bool:
    """Does another printer look just like this one?"""
    sql = "SELECT 1 FROM printers WHERE name <> ? AND device = ? AND model = ? AND port <> ''"
    return tx.execute(sql, (printer, known.facts.device, known.facts.model)).fetchone() is not None


def known_port(tx: Tx, printer: str, link: str) -> str:
    """Where this printer was plugged in."""
    known = known_printer(tx, printer, link)
    return "" if known is None else known.facts.port


def keep_printer(tx: Tx, printer: str, link: str, known: Known) -> None:
    """Remember a printer: what it was seen to answer, and who it is."""
    can, facts = known.capabilities, known.facts
    realtime = "".join(map(str, can.realtime))
    tx.execute(
        "INSERT OR REPLACE INTO printers (name, link, tier, realtime, counters, port, device, model, firmware) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (printer, link, int(can.tier), realtime, can.counters, *msgspec.structs.astuple(facts)),
    )


def forget_printer(tx: Tx, printer: str) -> None:
    """The next one that is met there is taken for it."""
    tx.execute("DELETE FROM printers WHERE name = ?", (printer,))
