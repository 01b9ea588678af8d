"""What the journal forgets, and what it never does."""

from functools import partial
from pathlib import Path

from agent.journal.file import Tx
from agent.journal.retention import prune
from tests.kitchen import kitchen


def count(tx: Tx, table: str) -> int:
    """How many rows there are."""
    return int(tx.execute(f"SELECT count(*) FROM {table}").fetchone()[0])


def test_the_oldest_settled_orders_go_and_open_ones_stay(tmp_path: Path) -> None:
    """Counted from the newest; an order with a ticket that is not settled stays, however old."""
    with kitchen(tmp_path) as here:
        here.order(0)
        here.wait_told(0)
        here.device.open_cover()
        here.wait_alarm("printer:wok:cover")
        here.order("open")
        here.wait_told("open", states=("held",))
        here.worker.stop(5)
        for number in range(1, 8):
            here.order(number)
        here.wait_told(7, kind="order.state", states=("accepted",))
        here.journal.write(lambda tx: tx.execute("UPDATE jobs SET state = 'completed' WHERE order_pk > 2"))
        assert here.journal.write(lambda tx: prune(tx, keep_orders=3)) == 5
        left = here.journal.write(lambda tx: [row[0] for row in tx.execute("SELECT number FROM orders ORDER BY pk")])
        assert left == ["open", "5", "6", "7"]
        for table in ("jobs", "events"):
            assert here.journal.write(partial(count, table=table)) == 4
        assert here.journal.write(lambda tx: prune(tx, keep_orders=3)) == 0
