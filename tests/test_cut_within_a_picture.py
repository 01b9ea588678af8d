"""A printer that was cut off within a picture waits for its dots, and would take the next ticket for them: also where
nobody is in doubt any more when it is back.
"""

from pathlib import Path

import pytest

from agent.config import Printing
from agent.journal.decisions import decide
from agent.model.command import Settle
from agent.simulator.printer import PrinterSpec
from tests.brigade import brigade
from tests.kitchen import Kitchen, kitchen

DRAWN = "བོད་ཇ་སྲུབ་མ བོད་ཇ་སྲུབ་མ བོད་ཇ་སྲུབ་མ"
INTO_THE_PICTURE = 900


def printer(tier: int) -> PrinterSpec:
    return PrinterSpec(tier=tier, realtime=tier != 3, counters=False, bytes_per_s=20000)


def cut_within_42(here: Kitchen) -> None:
    """The link breaks in the middle of #42's drawn line, and is refused from then on."""
    here.order(41, items=[{"name": "油条", "qty": 1, "station": "wok"}])
    here.wait_told(41, 60)
    here.idle()
    here.device.cut_link_at(here.device.received + INTO_THE_PICTURE)
    here.order(42, items=[{"name": DRAWN, "qty": 1, "station": "wok"}])
    here.device.wait_for(lambda device: device.wire.cut_at is None, 10)
    here.device.refuse()


@pytest.mark.parametrize("tier", [1, 2, 3])
@pytest.mark.parametrize("decision", ["again", "printed"])
def test_the_next_order_is_on_paper_when_a_person_settled_the_doubt(tmp_path: Path, tier: int, decision: str) -> None:
    with kitchen(tmp_path, spec=printer(tier)) as here:
        cut_within_42(here)
        here.wait_told(42, states=("unconfirmed",))
        here.journal.write(lambda tx: decide(tx, Settle(decision, order="id-42")))  # type: ignore[arg-type]
        here.order(43, items=[{"name": "花生过敏", "qty": 1}])
        here.device.heal()
        here.wait_told(43, 60)
        here.device.wait_for(lambda _: False, 1)
        if decision == "again":
            assert any(ticket.number == "42" and ticket.marked and ticket.whole for ticket in here.tickets())
        assert any("花生过敏" in ticket.text and ticket.number == "43" for ticket in here.tickets())


@pytest.mark.parametrize("tier", [1, 3])
def test_the_next_order_is_on_paper_when_a_backup_took_the_doubtful_one(tmp_path: Path, tier: int) -> None:
    specs = {"wok": printer(tier), "bar": PrinterSpec(serial="B")}
    with brigade(tmp_path, specs, {"wok": "bar"}, Printing(reprint_after_s=0.5, failover_after_s=1)) as here:
        cut_within_42(here)
        here.wait_text("bar", "#42")
        here.wait_alarm("printer:wok:away")
        here.device.heal()
        here.wait_no_alarm("printer:wok:away", 60)
        here.order(43, items=[{"name": "花生过敏", "qty": 1, "station": "wok"}])
        here.wait_told(43, 60)
        here.device.wait_for(lambda _: False, 1)
        assert any("花生过敏" in ticket.text for ticket in here.at("wok"))
