"""The barcode of a kitchen ticket on paper, what is on disk of a bump, and how long the screen takes to look."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner

from agent.cli import cli
from agent.config import Printing
from agent.encode.escpos import Encoded, encode
from agent.encode.typeset import typeset
from agent.intake.commands import Commands, Done
from agent.journal import kitchen
from agent.journal.file import Tx
from agent.model.kitchen import Seen
from agent.model.profile import PROFILES, Profile
from agent.model.ticket import Ticket
from agent.simulator.printer import PrinterSpec
from agent.tickets.sample import samples
from agent.tickets.subject import Expo, Subject
from agent.tickets.template import shipped
from tests.brigade import Brigade, brigade
from tests.floor import STATIONS, Floor, code
from tests.kitchen import ENDS
from tests.scan import scan_piece, scan_png
from tests.test_codes import paper_of

SPEC = PrinterSpec(tier=1, line_time_s=0.001)

# -- on paper --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("width", [32, 48])
@pytest.mark.parametrize("profile", PROFILES.values(), ids=PROFILES)
@pytest.mark.parametrize("template", ["kitchen", "expo", "changes"])
def test_a_scanner_reads_the_code_from_the_paper(template: str, profile: Profile, width: int) -> None:
    """On each width, whether the printer draws the barcode or we do; and it costs no bytes to speak of where it can."""
    subject = samples(template)[0]
    bare, coded = (_printed(template, with_code(subject, said), width, profile) for said in ("", code(1, "wok")))
    (piece,) = paper_of(coded, width, profile).pieces
    assert [each.data.decode() for each in scan_piece(piece)] == [code(1, "wok")]
    assert profile.name != "epson" or len(coded.data) - len(bare.data) < 64
    (piece,) = paper_of(bare, width, profile).pieces
    assert scan_piece(piece) == []


def with_code(subject: Subject, said: str) -> Subject:
    """The sample, with what its barcode says."""
    if isinstance(subject, Expo):
        return msgspec.structs.replace(subject, ticket=msgspec.structs.replace(subject.ticket, ready_code=said))
    assert isinstance(subject, Ticket)
    return msgspec.structs.replace(subject, ready_code=said)


def _printed(template: str, subject: Subject, width: int, profile: Profile) -> Encoded:
    layout, error = shipped().layout(template, subject, width)
    assert error is None
    return encode(typeset(layout, width), width, profile=profile)


def test_paper_and_command_agree(tmp_path: Path) -> None:
    """A shop that wants it: each paper of an order bears its code, also a reprint; a void bears none. What is scanned
    from the paper finishes just that, once; a paper of before a change is refused.
    """
    with brigade(tmp_path, dict.fromkeys(("wok", "bar"), SPEC)) as here:
        here.worker._post.shop.press.ready_code = True
        desk = Commands(here._stations, ["wok", "bar"])

        def scanned(said: str) -> Done:
            return here.journal.write(lambda tx: desk.perform(tx, "command.ready", {"code": said}))

        here.order_at(1, "wok", "bar")
        for name in ("wok", "bar"):
            here.wait_text(name, ENDS)
        wok, bar = code_on(here, "wok", 0), code_on(here, "bar", 0)
        assert (wok, bar) == (code(1, "wok"), code(1, "bar"))
        here.wait_told(1, kind="order.state", states=("printed",))
        assert here.journal.write(lambda tx: desk.perform(tx, "command.reprint", {"order": "1", "station": "wok"})).ok
        here.worker.wake()
        here.wait_text("wok", "补打")
        assert code_on(here, "wok", 1) == wok
        assert [scanned(each).ok for each in (wok, wok)] == [True, True]
        assert "still to come" not in scanned(bar).answer
        here.wait_told(1, kind="order.state", states=("ready",))
        here.order(1, 2, items=[{"name": "菜wok", "qty": "3", "station": "wok"}])
        here.wait_text("bar", "作废")
        here.wait_text("wok", "改单")
        assert code_on(here, "bar", 1) == ""
        refused = scanned(wok)
        assert (refused.ok, "has changed" in refused.answer) == (False, True)
        newest = code_on(here, "wok", 2)
        assert (newest, scanned(newest).ok) == (code(1, "wok", 2), True)
        here.wait_told(1, kind="order.state", states=("ready",), times=2)
        assert [each["state"] for each in here.reports() if each["type"] == "order.state"][-1] == "ready"


def code_on(here: Brigade, printer: str, at: int) -> str:
    """What a scanner reads from a printer's piece of paper; empty where there is no barcode."""
    pieces = [piece for piece in here.devices[printer].paper.pieces if piece.text.strip()]
    found = [each.data.decode() for each in scan_piece(pieces[at])]
    return found[0] if found else ""


def test_nobody_who_did_not_ask_for_it_gets_a_longer_ticket(tmp_path: Path) -> None:
    """The barcode is off unless it is written."""
    assert Printing().ready_code is False
    with brigade(tmp_path, {"wok": SPEC}) as here:
        here.order_at(1, "wok")
        here.wait_text("wok", ENDS)
        assert code_on(here, "wok", 0) == ""


def test_the_preview_shows_the_barcode_that_will_be_printed(tmp_path: Path) -> None:
    """Where the configuration has it, and the very one."""
    config, order, out = tmp_path / "shop.yaml", tmp_path / "order.json", tmp_path / "ticket.png"
    config.write_text("shop: s1\nprinters: [{name: wok, link: 'virtual://wok'}]\nprinting: {ready_code: true}\n")
    order.write_text('{"order": {"id": "id-1", "rev": 1, "channel": "test", "items": [{"name": "豆浆", "qty": "2"}]}}')
    words = ["preview", "--order", str(order), "--config", str(config), "--station", "kitchen", "--out", str(out)]
    done = CliRunner().invoke(cli, words)
    assert done.exit_code == 0, done.output
    assert [each.text for each in scan_png(out)] == [code(1, "kitchen")]


# -- on disk ---------------------------------------------------------------------------------------------------------

_KILLED = """
import os, signal, sys
from pathlib import Path
from agent.intake.commands import Commands
from agent.journal.store import Journal
def work(tx):
    done = Commands().perform(tx, "command.ready", {"order": "1"})
    assert done.ok, done
    if sys.argv[2] == "before":
        os.kill(os.getpid(), signal.SIGKILL)
journal = Journal(Path(sys.argv[1]) / "journal.db")
journal.start()
journal.write(work)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize(("killed", "is_ready"), [("before", False), ("after", True)])
def test_a_bump_and_its_report_are_on_disk_together(tmp_path: Path, killed: str, is_ready: bool) -> None:
    """kill -9 before the commit leaves neither, after it both: what the screen showed as done the cloud will hear."""
    here = Floor(tmp_path)
    here.order(1)
    here.close()
    ended = subprocess.run([sys.executable, "-c", _KILLED, str(tmp_path), killed], timeout=60, check=False)
    assert ended.returncode == -signal.SIGKILL
    here = Floor(tmp_path)
    told = [state for state, _, _ in here.told()]
    assert ("ready" in told, here.state(1) == "ready", here.shown() == []) == (is_ready, is_ready, is_ready)
    assert here.ready(1).ok
    assert ("ready" in [state for state, _, _ in here.told()]) is not is_ready
    here.close()


MANY = 100_000


def test_the_screen_is_quick_however_many_orders_there_were(tmp_path: Path) -> None:
    """Only the newest are looked at: no query goes through a whole table, with 100,000 orders that nobody finished, and
    with as many that somebody did.
    """
    here = Floor(tmp_path, STATIONS[:2])
    here.order(1, bar=0)
    here.journal.write(_multiply)
    statements: list[str] = []

    def watched(tx: Tx) -> Seen:
        tx.set_trace_callback(statements.append)
        try:
            return kitchen.look(tx)
        finally:
            tx.set_trace_callback(None)

    seen = here.journal.write(watched)
    assert (len(seen.orders), seen.more) == (kitchen.MOST_ORDERS, kitchen.LOOK_BACK - kitchen.MOST_ORDERS)
    assert here.ready(MANY).ok
    here.journal.write(watched)
    for statement in set(statements):
        plan = here.journal.write(lambda tx, sql=statement: tx.execute(f"EXPLAIN QUERY PLAN {sql}").fetchall())  # type: ignore[misc]  # bound now
        steps = [str(row[3]) for row in plan]
        assert all(not step.startswith("SCAN") or step in ("SCAN b", "SCAN CONSTANT ROW") for step in steps), steps
    for _ in range(2):
        began = time.monotonic()
        here.journal.write(kitchen.look)
        assert time.monotonic() - began < 1.0
        here.journal.write(lambda tx: tx.execute("UPDATE orders SET state = 'ready'"))
    assert here.do("ready", code=code(1, "wok")).ok is False
    here.close()


def _multiply(tx: Tx) -> None:
    """The first order again and again."""
    numbers = f"WITH RECURSIVE n (i) AS (SELECT 2 UNION ALL SELECT i + 1 FROM n WHERE i < {MANY})"
    for sql in (
        "INSERT INTO orders SELECT i, channel, 'id-' || i, i, rev, 0, 'printed' FROM n, orders WHERE pk = 1",
        "INSERT INTO events SELECT i, source, i, digest, i, rev, kind, payload, received_at FROM n, events "
        "WHERE pk = 1",
        "INSERT INTO jobs (id, order_pk, event_pk, rev, kind, station, home, printer, copy, copies, state, share, "
        "created_at) SELECT i, i, i, rev, kind, station, home, printer, copy, copies, 'completed', share, created_at "
        "FROM n, jobs WHERE id = 1",
        "INSERT INTO moves SELECT i, i, 'processing', 'completed', '', created_at FROM n, jobs WHERE id = 1",
    ):
        tx.execute(sql.replace("SELECT", f"{numbers} SELECT", 1))
