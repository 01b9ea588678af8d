"""The journal in numbers, for a person who looks for a fault: no order's content, no customer's name."""

from typing import Any

from agent.journal.file import Tx

_TABLES = ("events", "orders", "jobs", "moves", "waits", "parked", "outbox", "commands", "ahead", "alarms")
_GROUPS = {
    "tickets_by_state": "SELECT state, count(*) FROM jobs GROUP BY state",
    "tickets_by_mark": "SELECT mark, count(*) FROM jobs WHERE mark IS NOT NULL GROUP BY mark",
    "tickets_waiting": "SELECT home, count(*) FROM jobs INDEXED BY jobs_open "
    "WHERE state IN ('pending', 'held', 'processing', 'unconfirmed') GROUP BY home",
    "orders_by_state": "SELECT state, count(*) FROM orders GROUP BY state",
    "orders_waiting": "SELECT why, count(*) FROM waits GROUP BY why",
    "alarms": "SELECT key, since || ' ' || reason FROM alarms",
    "meta": "SELECT key, value FROM meta",
}
_LISTS = {
    "cursors": "SELECT source, last, passed FROM cursors",
    "printers": "SELECT name, link, tier, realtime, counters, port, device, model, firmware FROM printers",
    "commands": "SELECT id, ok, at FROM commands ORDER BY number DESC LIMIT 50",
    "parked": "SELECT topic, path, reason, received_at, length(payload) FROM parked ORDER BY pk DESC LIMIT 50",
    "alarm_log": "SELECT key, reason, raised_at, cleared_at FROM alarm_log ORDER BY pk DESC LIMIT 100",
    "outbox_oldest": "SELECT type, at FROM outbox ORDER BY pk LIMIT 1",
    "moves": "SELECT job_id, old, new, reason, at FROM moves ORDER BY pk DESC LIMIT 300",
    "tickets": "SELECT id, order_pk, rev, kind, station, home, printer, copy, state, attempt, mark, number, reason, "
    "created_at FROM jobs ORDER BY id DESC LIMIT 100",
}


def statistics(tx: Tx) -> dict[str, Any]:
    """Counts, what waits, and the newest moves of tickets."""
    (version,) = tx.execute("PRAGMA user_version").fetchone()
    found: dict[str, Any] = {"schema": version}
    found["rows"] = {table: tx.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in _TABLES}
    found |= {name: dict(tx.execute(sql).fetchall()) for name, sql in _GROUPS.items()}
    return found | {name: tx.execute(sql).fetchall() for name, sql in _LISTS.items()}
