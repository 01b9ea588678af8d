"""Changes and voids that meet a doubt, a stand-in, a person's decision or a lost journal: paper has the last word."""

import json
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path
from typing import Any

import pytest

from agent.clock import stamp
from agent.config import Printing
from agent.intake import foreign
from agent.intake.decode import decode_data
from agent.intake.mappingfile import find, load
from agent.journal.decisions import decide
from agent.model.command import Settle
from agent.model.order import Order, Upsert
from agent.model.station import Station
from agent.model.wire import Delivery
from agent.simulator.printer import PrinterSpec
from agent.tickets.changes import changed_facts
from tests.brigade import Brigade, brigade
from tests.kitchen import Kitchen, kitchen
from tests.queueing import queueing

P = {"wok": PrinterSpec(), "bar": PrinterSpec(serial="VP000002")}


def dish(number: int, name: str, qty: int, station: str = "wok", **rest: Any) -> dict[str, Any]:
    return {"id": f"L{number}", "name": name, "qty": qty, "station": station, **rest}


N, C, T = dish(1, "牛肉面", 2), dish(2, "葱油饼", 3), dish(3, "红茶", 1, "bar")
ASK = Printing(unconfirmed="ask", reprint_after_s=0.5)
BACKED = Printing(reprint_after_s=0.5, failover_after_s=1)


def told(here: Brigade, rev: int, *items: dict[str, Any], **facts: Any) -> None:
    here.order(42, rev, items=list(items), **{"table": "7", **facts})
    here.wait_told(42, kind="order.state", states=("printed", "canceled"), times=rev)


def reinstated_after_a_doubtful_void(here: Brigade) -> None:
    told(here, 1, N)
    here.idle()
    here.device.swallow()
    here.cancel(42, 2)
    here.wait_told(42, states=("unconfirmed",))
    here.device.heal()
    here.device.power_off()
    here.device.power_on()
    here.wait_alarm("ticket:2")
    here.order(42, 3, items=[N, C], table="7")
    here.wait_told(42, states=("completed",), times=2)


def restart(here: Brigade, stations: list[Station]) -> None:
    here.close()
    here._stations = stations
    here.open()


def lose(here: Kitchen, folder: Path) -> None:
    here.close()
    for file in folder.glob("journal.db*"):
        if file.name == "journal.db":
            file.write_bytes(b"garbage" * 1000)
        else:
            file.unlink()
    here.open()


def test_void_after_reinstated_order(tmp_path: Path) -> None:
    with brigade(tmp_path, P, {"wok": "bar"}, BACKED) as here:
        told(here, 1, N)
        here.order(40, items=[T])
        here.wait_told(40)
        here.idle()
        here.device.refuse()
        here.wait_any_alarm()
        bar = here.devices["bar"]
        bar.swallow()
        here.cancel(42, 2)
        here.wait_told(42, 60, states=("unconfirmed",))
        bar.power_off()
        here.device.heal()
        here.wait_no_alarm("printer:wok:away")
        here.order(42, 3, items=[N, C], table="7")
        here.wait_text("wok", "葱油饼")
        bar.heal()
        bar.power_on()
        here.wait_told(42, kind="order.state", states=("printed",), times=2)
        assert "作废" not in here.at("wok")[-1].text


def test_void_again_by_a_person(tmp_path: Path) -> None:
    with brigade(tmp_path, {"wok": PrinterSpec()}, printing=ASK) as here:
        reinstated_after_a_doubtful_void(here)
        here.journal.write(lambda tx: decide(tx, Settle("again", ticket=2)))
        here.worker.wake()
        here.device.wait_for(lambda _: False, 3)
        assert "作废" not in here.at("wok")[-1].text


def test_two_unmarked_orders(tmp_path: Path) -> None:
    with brigade(tmp_path, {"wok": PrinterSpec()}, printing=ASK) as here:
        reinstated_after_a_doubtful_void(here)
        assert len([t for t in here.whole(42) if "改单" not in t.text and not t.marked]) == 1


def test_discarded_void_that_is_on_paper(tmp_path: Path) -> None:
    with brigade(tmp_path, {"wok": PrinterSpec()}, printing=ASK) as here:
        told(here, 1, N)
        here.idle()
        here.device.mute()
        here.cancel(42, 2)
        here.wait_told(42, states=("unconfirmed",))
        here.device.heal()
        here.wait_text("wok", "作废")
        here.journal.write(lambda tx: decide(tx, Settle("discard", ticket=2)))
        here.order(42, 3, items=[N], table="7")
        here.device.wait_for(lambda _: False, 3)
        assert "作废" not in here.at("wok")[-1].text


@pytest.mark.parametrize("cancel", [True, False])
def test_stand_in_has_it_home_is_well(tmp_path: Path, cancel: bool) -> None:
    with brigade(tmp_path, P, {"wok": "bar"}, BACKED) as here:
        for number, item in ((40, T), (39, N)):
            here.order(number, items=[item])
            here.wait_told(number)
        here.idle()
        here.device.refuse()
        here.wait_any_alarm()
        bar = here.devices["bar"]
        bar.run_out_of_paper(after_lines=2)
        here.order(42, 1, items=[N, C])
        here.wait_told(42, states=("held", "unconfirmed"))
        here.device.heal()
        here.wait_no_alarm("printer:wok:away")
        if cancel:
            here.cancel(42, 2)
        else:
            here.order(42, 2, items=[N])
        here.device.wait_for(lambda _: False, 3)
        early = [t for t in here.at("wok") if t.number == "42"]
        bar.load_paper()
        here.wait_told(42, kind="order.state", states=("canceled", "printed"))
        assert early == []


def test_journal_lost_revision(tmp_path: Path) -> None:
    with kitchen(tmp_path) as here:

        def send(rev: int, items: list[dict[str, Any]], name: str) -> None:
            here.event(
                "order.upsert",
                {"order": {"id": "id-42", "rev": rev, "channel": "t", "no": "42", "items": items, "placed_at": placed}},
                name,
            )

        placed = stamp(datetime.now(UTC))
        send(1, [N], "a")
        here.wait_told(42)
        lose(here, tmp_path)
        send(2, [N, C], "b")
        here.wait_told(42)
        assert here.whole(42)[-1].marked or "改单" in here.whole(42)[-1].text


def test_journal_lost_cancel_before_the_replay(tmp_path: Path) -> None:
    with queueing(tmp_path) as here:
        here.tell(42, 1)
        here.one(42)
        lose(here, tmp_path)
        here.take_back(42, 2, rev=2)
        here.tell(42, 1, topic="replay")
        here.device.wait_for(lambda _: False, 2)
        assert any("作废" in t.text for t in here.tickets())


def test_copies_from_1_to_2(tmp_path: Path) -> None:
    with brigade(tmp_path, P) as here:
        told(here, 1, N)
        restart(here, [Station("wok", printer="wok", default=True, copies=2)])
        told(here, 2, N, paid=True)
        here.idle()
        assert len(here.at("wok")) == 1


def test_copies_from_2_to_1_with_the_second_in_doubt(tmp_path: Path) -> None:
    """It says what its order no longer is: a person who wants it again is told so."""
    with brigade(tmp_path, {"wok": PrinterSpec(line_time_s=0.05, counters=False)}, printing=ASK) as here:
        restart(here, [Station("wok", printer="wok", default=True, copies=2)])
        here.order(42, 1, items=[N])
        here.wait_told(42)
        here.device.power_off()
        here.wait_told(42, 60, states=("unconfirmed",))
        here.device.power_on()
        here.wait_alarm("ticket:2")
        restart(here, [Station("wok", printer="wok", default=True)])
        here.order(42, 2, items=[C])
        here.wait_text("wok", "葱油饼")
        said = here.journal.write(lambda tx: decide(tx, Settle("again", ticket=2)))
        assert "a newer revision or a cancel holds" in said
        here.worker.wake()
        here.device.wait_for(lambda _: False, 1)
        assert not [ticket for ticket in here.at("wok") if ticket.marked]


def test_dropped_order(tmp_path: Path) -> None:
    with queueing(tmp_path) as here:
        here.tell(2, 5, told=-20)
        here.say("command.drop", orders=["id-2"])
        here.tell(2, 6, rev=2, paid=True)
        here.device.wait_for(lambda _: False, 2)
        assert here.numbers() == []


def test_discarded_ticket(tmp_path: Path) -> None:
    with kitchen(tmp_path) as here:
        here.device.run_out_of_paper()
        here.order(41)
        here.wait_alarm("printer:wok:paper")
        here.order(42, 1)
        here.journal.write(lambda tx: decide(tx, Settle("discard", order="id-42", ticket=2)))
        here.order(42, 2, paid=True)
        here.device.load_paper()
        assert not here.wait_for(42, 4)


def test_cancel_with_the_whole_order(tmp_path: Path) -> None:
    with kitchen(tmp_path) as here:
        here.order(42, 1)
        here.wait_told(42)
        order = {"id": "id-42", "rev": 1, "channel": "test", "no": "42", "items": []}
        here.event("order.cancel", {"order": order, "reason": "客人取消"}, "c")
        here.wait_told(42, kind="order.state", states=("canceled",))
        here.idle()
        assert "#42" in here.tickets()[-1].text
        assert "客人取消" in here.tickets()[-1].text


def test_raw_same_id_of_two_sources(tmp_path: Path) -> None:
    """An event's id is its source's own."""
    with kitchen(tmp_path) as here:
        for mid, source in enumerate(("//a", "//b")):
            data = {"raw": {"dialect": "feie", "content": f"from {source}<BR>"}}
            event = {"specversion": "1.0", "id": "1", "source": source, "type": "print.raw", "data": data}
            here.consumer.receive(Delivery(1, mid, "order", json.dumps(event).encode(), 1, False))
        here.wait_told("1", times=2)
        assert len(here.tickets()) == 2


def test_ready_made_content_is_taken_back(tmp_path: Path) -> None:
    with kitchen(tmp_path) as here:
        here.event("print.raw", {"raw": {"dialect": "feie", "content": "hello<BR>"}}, "r1")
        here.wait_told("r1")
        here.event("order.cancel", {"order": {"id": "r1", "rev": 0, "channel": "print.raw //test"}}, "c1")
        here.wait_told("r1", kind="order.state", states=("canceled",))
        assert "作废" in here.tickets()[-1].text
        assert "r1" in here.tickets()[-1].text


def test_state_lie(tmp_path: Path) -> None:
    with brigade(tmp_path, P, printing=Printing(failover_after_s=60)) as here:
        here.device.run_out_of_paper()
        here.order(41, items=[N])
        here.wait_alarm("printer:wok:paper")
        here.order(42, 1, items=[N, T])
        here.wait_text("bar", "红茶")
        sql = "SELECT id FROM jobs WHERE station = 'wok' AND order_pk = 2"
        wok = here.journal.write(lambda tx: int(tx.execute(sql).fetchone()[0]))
        here.journal.write(lambda tx: decide(tx, Settle("discard", order="id-42", ticket=wok)))
        here.order(42, 2, items=[{**N, "station": "bar"}, T])
        here.wait_text("bar", "牛肉面")
        here.device.wait_for(lambda _: False, 1)
        assert [r["state"] for r in here.reports() if r["type"] == "order.state" and r["rev"] == 2][-1] == "printed"


def test_receipt(tmp_path: Path) -> None:
    with brigade(tmp_path, P) as here:
        till = Station("till", printer="bar", shows="all", template="receipt")
        restart(here, [Station("wok", printer="wok", default=True), till])
        told(here, 1, {**N, "price": 1000}, total=2000)
        told(here, 2, {**N, "price": 1500}, total=3000)
        here.idle()
        assert "30.00" in here.at("bar")[-1].text


def test_foreign_status_words() -> None:
    m = load(find("flat")).mapping
    p = json.loads((resources.files("agent.mappings") / "flat" / "new.input.json").read_text())

    def go(**more: str) -> Order:
        data = decode_data(foreign.envelope(json.dumps({**p, **more}).encode(), m, "t"))[0].data
        assert isinstance(data, Upsert)
        return data.order

    assert changed_facts(go(status_text="商家 已接单"), go(status_text="骑手 已取餐")) == ()
