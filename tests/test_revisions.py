"""Revisions on paper: what changed, at the stations that it concerns, and nothing twice."""

from pathlib import Path
from typing import Any

import pytest

from agent.config import Printing
from agent.simulator.printer import PrinterSpec
from tests.brigade import Brigade, brigade

PRINTERS = {"wok": PrinterSpec(), "bar": PrinterSpec(serial="VP000002")}


def dish(number: int, name: str, qty: int, station: str = "wok", **rest: Any) -> dict[str, Any]:
    return {"id": f"L{number}", "name": name, "qty": qty, "station": station, **rest}


NOODLES, CAKE, TEA = dish(1, "牛肉面", 2), dish(2, "葱油饼", 3), dish(3, "红茶", 1, "bar")


def told(here: Brigade, rev: int, *items: dict[str, Any], number: int = 42, **facts: Any) -> None:
    """A revision comes in, and everything that it brings is settled."""
    here.order(number, rev, items=list(items), **{"table": "7", **facts})
    here.wait_told(number, kind="order.state", states=("printed", "canceled"), times=rev)


def last(here: Brigade, printer: str) -> str:
    return here.at(printer)[-1].text


def test_only_what_changed_is_printed_and_only_where_it_changed(tmp_path: Path) -> None:
    """加 a dish at the wok: the bar hears nothing, and the wok does not read its other dishes again."""
    with brigade(tmp_path, PRINTERS) as here:
        told(here, 1, NOODLES, TEA)
        told(here, 2, NOODLES, CAKE, TEA)
        assert len(here.at("wok")) == 2
        assert len(here.at("bar")) == 1
        text = last(here, "wok")
        assert "改单 AMENDED" in text
        assert "加" in text
        assert "葱油饼" in text
        assert "3" in text
        assert "牛肉面" not in text


@pytest.mark.parametrize(
    ("now", "said", "not_said"),
    [
        ([NOODLES], ["退", "葱油饼", "3"], ["牛肉面"]),
        ([dish(1, "牛肉面", 5), CAKE], ["加", "牛肉面", "3"], ["葱油饼"]),
        ([dish(1, "牛肉面", 1), CAKE], ["退", "牛肉面", "1"], ["葱油饼"]),
        ([dish(1, "牛肉面", 2, note="不要葱"), CAKE], ["改", "牛肉面", "不要葱"], ["葱油饼"]),
        ([dish(1, "牛肉面", 2, mods=[{"name": "加蛋"}]), CAKE], ["改", "牛肉面", "加蛋"], ["葱油饼"]),
    ],
)
def test_a_change_is_said_in_words_and_numbers(
    tmp_path: Path, now: list[dict[str, Any]], said: list[str], not_said: list[str]
) -> None:
    with brigade(tmp_path, {"wok": PrinterSpec()}) as here:
        told(here, 1, NOODLES, CAKE)
        told(here, 2, *now)
        text = last(here, "wok")
        assert [word for word in said if word not in text] == []
        assert [word for word in not_said if word in text] == []


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        ({"table": "9"}, ["9", "7"]),
        ({"rush": True}, ["加急"]),
        ({"note": "快一点"}, ["快一点"]),
        ({"allergies": ["花生"]}, ["花生"]),
        ({"due_at": "2030-01-01T12:30:00+08:00"}, ["要求"]),
    ],
)
def test_a_fact_that_changes_is_told_to_every_station(tmp_path: Path, facts: dict[str, Any], said: list[str]) -> None:
    """Table moved, order rushed: whoever cooks for it is told, and no dish is listed again."""
    with brigade(tmp_path, PRINTERS) as here:
        told(here, 1, NOODLES, TEA)
        told(here, 2, NOODLES, TEA, **facts)
        for printer, dish_name in (("wok", "牛肉面"), ("bar", "红茶")):
            text = last(here, printer)
            assert "改单 AMENDED" in text
            assert [word for word in said if word not in text] == []
            assert dish_name not in text


def test_what_no_cook_reads_prints_nothing(tmp_path: Path) -> None:
    """Paid meanwhile: the kitchen is left alone, and the order is printed all the same."""
    with brigade(tmp_path, PRINTERS) as here:
        told(here, 1, NOODLES, TEA)
        told(here, 2, NOODLES, TEA, paid=True, total=1200)
        assert [len(here.at(printer)) for printer in PRINTERS] == [1, 1]


def test_a_dish_that_moves_between_stations_says_where(tmp_path: Path) -> None:
    with brigade(tmp_path, PRINTERS) as here:
        told(here, 1, NOODLES, CAKE, TEA)
        told(here, 2, NOODLES, {**CAKE, "station": "bar"}, TEA)
        off, new = last(here, "wok"), last(here, "bar")
        assert "退" in off
        assert "葱油饼" in off
        assert "转到 moved to" in off
        assert "加" in new
        assert "葱油饼" in new
        assert "转自 moved from" in new


def test_a_station_that_has_nothing_left_is_told_so(tmp_path: Path) -> None:
    with brigade(tmp_path, PRINTERS) as here:
        told(here, 1, NOODLES, TEA)
        told(here, 2, NOODLES)
        assert "作废" in last(here, "bar")
        assert len(here.at("wok")) == 1
        told(here, 3, NOODLES, TEA)
        text = last(here, "bar")
        assert "红茶" in text
        assert "作废" not in text


def test_an_amendment_before_the_first_print_is_one_ticket(tmp_path: Path) -> None:
    with brigade(tmp_path, {"wok": PrinterSpec()}) as here:
        here.device.run_out_of_paper()
        here.order(41)
        here.wait_alarm("printer:wok:paper")
        here.order(42, 1, items=[NOODLES])
        here.order(42, 2, items=[dish(1, "牛肉面", 5), CAKE])
        here.device.load_paper()
        assert here.wait_for(42)
        here.wait_told(42)
        assert len(here.whole(42)) == 1
        text = here.whole(42)[0].text
        assert "改单" not in text
        assert "x5" in text
        assert "葱油饼" in text


def test_revisions_that_merged_are_compared_with_what_is_on_paper(tmp_path: Path) -> None:
    """The second one was never printed: the third says what changed since the first."""
    with brigade(tmp_path, {"wok": PrinterSpec()}) as here:
        told(here, 1, NOODLES)
        here.device.run_out_of_paper()
        here.order(41)
        here.wait_alarm("printer:wok:paper")
        here.order(42, 2, items=[NOODLES, CAKE], table="7")
        here.order(42, 3, items=[NOODLES, {**CAKE, "qty": 4}], table="7")
        here.device.load_paper()
        pieces = here.wait_text("wok", "改单")
        assert len(pieces) == 1
        assert "+4" in pieces[0].text
        assert "牛肉面" not in pieces[0].text


def test_after_a_doubt_the_whole_order_is_printed(tmp_path: Path) -> None:
    """Nobody knows whether the first ticket is on paper: what changed since would be half an order."""
    with brigade(tmp_path, {"wok": PrinterSpec()}, printing=Printing(reprint_after_s=3, failover_after_s=60)) as here:
        here.order(41)
        here.wait_told(41)
        here.device.swallow()
        here.order(42, 1, items=[NOODLES])
        here.wait_told(42, states=("unconfirmed",))
        here.order(42, 2, items=[NOODLES, CAKE])
        here.device.heal()
        here.device.power_off()
        here.device.power_on()
        pieces = here.wait_text("wok", "葱油饼")
        assert "牛肉面" in pieces[-1].text


def test_a_revision_elsewhere_does_not_take_a_stations_ticket_away(tmp_path: Path) -> None:
    """The bar's change comes while the wok's first ticket is in a printer that turns out to have printed nothing."""
    with brigade(tmp_path, PRINTERS, printing=Printing(reprint_after_s=0.5, failover_after_s=60)) as here:
        told(here, 1, dish(9, "水", 1, "bar"), number=41)
        here.idle()
        here.device.refuse()
        here.order(42, 1, items=[NOODLES, TEA])
        here.wait_alarm("printer:wok:away")
        here.order(42, 2, items=[NOODLES, {**TEA, "qty": 2}])
        here.device.heal()
        here.wait_told(42, kind="order.state", states=("printed",), times=1)
        assert "牛肉面" in here.whole(42)[0].text


def test_a_cancel_voids_only_what_was_printed(tmp_path: Path) -> None:
    with brigade(tmp_path, PRINTERS) as here:
        here.device.run_out_of_paper()
        here.order(41)
        here.wait_alarm("printer:wok:paper")
        here.order(42, 1, items=[NOODLES, TEA])
        here.wait_text("bar", "红茶")
        here.cancel(42, 2)
        here.wait_text("bar", "作废")
        here.device.load_paper()
        here.wait_told(41)
        here.wait_told(42, kind="order.state", states=("canceled",))
        assert [ticket.text for ticket in here.at("wok") if "42" in ticket.number] == []


def test_a_void_names_the_order_as_its_paper_does(tmp_path: Path) -> None:
    """Its new number and table never came onto paper: nobody in the kitchen would find them."""
    with brigade(tmp_path, {"wok": PrinterSpec()}) as here:
        told(here, 1, NOODLES)
        here.device.power_off()
        here.wait_alarm("printer:wok:away")
        here.order(42, 2, items=[NOODLES, CAKE], no="57", table="9")
        here.wait_told(57, kind="order.state", states=("accepted",))
        here.cancel(42, rev=3)
        here.device.power_on()
        here.wait_told(57, kind="order.state", states=("canceled",))
        text = last(here, "wok")
        assert "作废" in text
        assert "#42" in text
        assert "#57" not in text


def test_labels_are_printed_for_new_cups_only(tmp_path: Path) -> None:
    """One more of a tea that has its labels already: what changed, then one label."""
    with brigade(tmp_path, {"wok": PrinterSpec()}, templates={"wok": "label"}) as here:
        told(here, 1, {**TEA, "qty": 2, "station": "wok"})
        assert len(here.at("wok")) == 2
        told(here, 2, {**TEA, "qty": 3, "station": "wok"})
        changed, label = (ticket.text for ticket in here.at("wok")[2:])
        assert "+1" in changed
        assert "红茶" in label
        assert "1/1" in label or "x1" in label


@pytest.mark.parametrize("meal_at", ["wok", "bar"], ids=["taken out of its meal", "within its meal"])
def test_labels_of_a_set_meal_are_as_many_as_there_are_new_sets(tmp_path: Path, meal_at: str) -> None:
    """One set and two more of it: two cups of tea more. A second meal that is new, three times: three cups."""
    with brigade(tmp_path, PRINTERS, templates={"bar": "label"}) as here:
        tea = {"name": "奶茶", "qty": 1, "station": "bar"}

        def meal(line: str, name: str, qty: int) -> dict[str, Any]:
            parts = [{**tea, "id": f"{line}a"}, {"id": f"{line}b", "name": "炒饭", "qty": 1, "station": "wok"}]
            return {"id": line, "name": name, "qty": qty, "station": meal_at, "children": parts}

        def cups() -> int:
            return sum("奶茶" in ticket.text and "改单" not in ticket.text for ticket in here.at("bar"))

        told(here, 1, meal("L1", "双人套餐", 1))
        assert cups() == 1
        told(here, 2, meal("L1", "双人套餐", 3))
        assert cups() == 1 + 2
        told(here, 3, meal("L1", "双人套餐", 3), meal("L2", "儿童套餐", 3))
        assert cups() == 1 + 2 + 3


def test_a_doubtful_revisions_labels_are_marked_one_by_one(tmp_path: Path) -> None:
    """The power goes while the new labels are printed: each that comes again says so, as those of a plain order do."""
    with brigade(tmp_path, {"wok": PrinterSpec(line_time_s=0.1)}, templates={"wok": "label"}) as here:
        told(here, 1, {**TEA, "qty": 1, "station": "wok"})
        here.order(42, 2, items=[{**TEA, "qty": 6, "station": "wok"}])
        here.device.wait_for(lambda it: sum(not piece.is_blank for piece in it.paper.pieces) >= 4, 20)
        here.device.power_off(keep_line=True)
        here.device.wait_for(lambda _: False, 1.0)
        here.device.power_on()
        told(here, 2, {**TEA, "qty": 6, "station": "wok"})
        here.device.wait_for(lambda _: False, 1.0)
        texts = [ticket.text for ticket in here.at("wok")]
        (again,) = [at for at, text in enumerate(texts) if "补打" in text and "改单" in text]
        cups = [text for text in texts[again + 1 :] if "红茶" in text]
        assert len(cups) == 5
        assert all("补打" in text for text in cups)


def test_the_pass_sees_the_whole_order_and_then_what_changed(tmp_path: Path) -> None:
    """A station that shows all is given no dish, and counts as no part of the order."""
    with brigade(tmp_path, PRINTERS, templates={"bar": "expo"}, shows={"bar": "all"}) as here:
        told(here, 1, NOODLES, {**TEA, "station": "bar"})
        assert "1/2" not in last(here, "wok")
        assert "红茶" in last(here, "wok")
        assert "未分派" in last(here, "wok")
        whole = last(here, "bar")
        assert "[wok]" in whole
        assert "牛肉面" in whole
        assert "红茶" in whole
        told(here, 2, NOODLES, {**TEA, "station": "bar"}, CAKE)
        for printer in PRINTERS:
            assert "葱油饼" in last(here, printer)
            assert "牛肉面" not in last(here, printer)
        assert "[wok]" in last(here, "bar")
        assert "[" not in last(here, "wok")


def test_a_receipt_that_changed_is_another_whole_one(tmp_path: Path) -> None:
    with brigade(tmp_path, PRINTERS, templates={"bar": "receipt"}, shows={"bar": "all"}) as here:
        told(here, 1, {**NOODLES, "price": 1800}, total=3600)
        told(here, 2, {**NOODLES, "price": 1800}, {**CAKE, "price": 300}, total=4500)
        text = last(here, "bar")
        assert "改单 AMENDED" in text
        assert "牛肉面" in text
        assert "45.00" in text
