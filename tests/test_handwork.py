"""What a person at the box has printed: an order of their own, a ticket tried now, a ticket on another printer. Judged
by the paper.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import Result

from agent.errors import CommandRefused, ConfigError
from agent.journal import jobs, notes, notices, routes, transfers
from agent.journal.decisions import decide
from agent.journal.file import Tx
from agent.journal.jobs import Settlement
from agent.model.command import Move, Settle
from agent.model.job import Expected, JobState, Mark
from agent.simulator.stage import Mosquitto
from tests.kitchen import Ticket, read
from tests.shopfront import Shopfront, no_broker, shopfront
from tests.test_commands import Door

STATIONS = [
    {"name": "wok", "printer": "kitchen", "default": True},
    {"name": "drinks", "printer": "bar", "match": {"category": ["热饮"]}},
]
DISH = {"name": "鲜肉小笼包", "qty": "2"}
DRINK = {"name": "豆浆", "qty": "1", "category": "热饮"}


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Shopfront]:
    """A shop with a kitchen and a bar, that takes only orders of its own."""
    with shopfront(tmp_path, no_broker(), ("kitchen", "bar"), stations=STATIONS, intake={"clock": "trust"}) as shop:
        shop.until(lambda: {each["state"] for each in shop.status()["printers"]} == {"ready"}, "both printers")
        yield shop


def order(number: int, *items: dict[str, Any], **more: Any) -> str:
    """An order as JSON."""
    return json.dumps({"id": f"id-{number}", "no": str(number), "items": list(items) or [DISH], **more})


def paper(here: Shopfront, printer: str) -> list[Ticket]:
    """What lies at this printer."""
    found = [read(piece) for piece in here.devices[printer].paper.pieces]
    return [each for each in found if each.number]


def refused(done: Result) -> str:
    """Why a command was: exit 1."""
    assert isinstance(done.exception, CommandRefused), done.output
    return str(done.exception)


def waiting_ticket(here: Shopfront, number: int = 1) -> int:
    """A ticket that waits for the kitchen's paper, of which nothing was sent; its number."""
    here.devices["kitchen"].run_out_of_paper()
    here.until(lambda: here.status()["printers"][0]["need"] == "paper", "no paper")
    file = here.folder / "order.json"
    file.write_text(order(number))
    here.process.wait(0.1)
    told = here.json("print", str(file))
    assert [each["state"] for each in told["tickets"]] in (["held"], ["pending"])
    return int(told["tickets"][0]["ticket"])


# -- print ---------------------------------------------------------------------------------------------------------


def test_an_order_is_printed_where_its_dishes_belong_and_reported(here: Shopfront) -> None:
    """From standard input; the answer comes when it is on paper; the same again is a duplicate."""
    told = here.json("print", "-", stdin=order(42, DISH, DRINK))
    assert (told["verdict"], told["order"]) == ("order_accepted", "id-42")
    assert {(each["station"], each["state"]) for each in told["tickets"]} == {
        ("wok", "completed"),
        ("drinks", "completed"),
    }
    assert [ticket.number for ticket in paper(here, "kitchen")] == ["42"]
    assert [ticket.number for ticket in paper(here, "bar")] == ["42"]
    assert "豆浆" in paper(here, "bar")[0].text
    again = here.json("print", "-", stdin=order(42, DISH, DRINK))
    assert (again["verdict"], again["current"], again["tickets"]) == ("duplicate_dropped", "printed", [])
    words = here.run("print", "-", stdin=order(42, DISH, DRINK)).stdout
    assert "收过了" in words
    assert "shop-agent reprint" in words
    assert len(paper(here, "kitchen")) == 1


def test_a_whole_event_keeps_its_order_and_gets_a_name_of_our_own(here: Shopfront) -> None:
    """As the preview takes it; an order that has no id gets the event's."""
    event: dict[str, Any] = {
        "specversion": "1.0",
        "id": "e",
        "source": "//x",
        "type": "order.upsert",
        "sequence": f"{7:020}",
    }
    event["data"] = {"order": {"id": "8812", "rev": 1, "channel": "alipay", "no": "7", "items": [DISH]}}
    told = here.json("print", "-", "--id", "mine-1", stdin=json.dumps(event))
    assert (told["event"], told["order"]) == ("mine-1", "8812")
    nameless = here.json("print", "-", stdin=json.dumps({"no": "8", "items": [DISH]}))
    assert nameless["order"] == nameless["event"]
    assert [ticket.number for ticket in paper(here, "kitchen")] == ["7", "8"]


@pytest.mark.parametrize("where", [["--station", "drinks"], ["--printer", "bar"]])
def test_ready_made_content_and_whole_orders_go_where_they_are_sent(here: Shopfront, where: list[str]) -> None:
    """By the station, or by the printer that it prints on."""
    raw = here.json("print", "-", "--raw", "--dialect", "feie", *where, stdin="<CB>你好</CB><BR>")
    assert [(each["printer"], each["state"]) for each in raw["tickets"]] == [("bar", "completed")]
    here.json("print", "-", *where, stdin=order(9))
    assert [ticket.number for ticket in paper(here, "bar")] == ["9"]
    assert any("你好" in piece.text for piece in here.devices["bar"].paper.pieces)
    assert not paper(here, "kitchen")


def test_what_can_not_be_printed_is_refused_with_its_place(here: Shopfront) -> None:
    """Exit 1 by the agent, 78 where the file is no JSON; nothing is kept."""
    assert "$.data.order.items[0].qty" in refused(
        here.run("print", "-", stdin=order(1, {"name": "豆浆", "qty": "many"}))
    )
    assert "no station prints on moon" in refused(here.run("print", "-", "--raw", "--printer", "moon", stdin="x"))
    assert isinstance(here.run("print", "-", stdin="{").exception, ConfigError)
    assert isinstance(here.run("print", "-", stdin="[1]").exception, ConfigError)
    assert here.status()["tickets"]["waiting"] == 0


def test_an_order_that_waits_for_a_person_says_so(here: Shopfront) -> None:
    """Too old by its own time: it is kept and not printed."""
    told = here.run("print", "-", stdin=order(3, placed_at="2020-01-01T08:00:00+08:00"))
    assert "held: shop-agent queue waiting" in told.stdout
    assert here.status()["orders"]["for_a_person"] == {"old": 1}
    assert not paper(here, "kitchen")


# -- retry ---------------------------------------------------------------------------------------------------------


def test_a_ticket_is_tried_at_once_when_somebody_asks(here: Shopfront) -> None:
    """A printer that was away long is tried each half minute; a person who plugged it in does not wait for that."""
    here.devices["kitchen"].refuse()
    here.devices["kitchen"].cut_link()
    here.until(lambda: here.status()["printers"][0]["state"] == "away", "a printer that is away")
    file = here.folder / "order.json"
    file.write_text(order(5))
    number = 0

    def tried() -> bool:
        return here.process.log.read_text().count("away") >= 1

    here.until(tried, "a try")
    told = here.json("print", str(file))
    number = told["tickets"][0]["ticket"]
    assert "refused" in told["tickets"][0]["why"]
    here.devices["kitchen"].refuse(False)
    done = here.json("queue", "retry", str(number))
    assert (done["state"], done["printer"]) == ("completed", "kitchen")
    assert [ticket.number for ticket in paper(here, "kitchen")] == ["5"]


def test_what_retry_is_not_for_is_said(here: Shopfront) -> None:
    """Of a settled ticket, and of none."""
    told = here.json("print", "-", stdin=order(6))
    number = told["tickets"][0]["ticket"]
    assert "shop-agent reprint" in refused(here.run("queue", "retry", str(number)))
    assert "there is no ticket 999" in refused(here.run("queue", "retry", "999"))


# -- move ----------------------------------------------------------------------------------------------------------


def test_a_ticket_that_was_never_sent_is_moved_unmarked(here: Shopfront) -> None:
    """It says whose it is; the station's own printer never prints it any more."""
    number = waiting_ticket(here)
    said = here.run("queue", "move", str(number), "bar").stdout
    assert "will be printed on bar" in said
    assert "marked" not in said
    here.until(lambda: bool(paper(here, "bar")), "the ticket at the bar")
    (ticket,) = paper(here, "bar")
    assert not ticket.marked
    assert "代打" in ticket.text
    assert "wok" in ticket.text
    here.devices["kitchen"].load_paper()
    here.json("print", "-", stdin=order(2))
    assert [ticket.number for ticket in paper(here, "kitchen")] == ["2"]


def test_a_ticket_in_the_printers_buffer_is_moved_as_a_possible_duplicate(here: Shopfront) -> None:
    """The paper ended in the middle of it: the rest comes out once there is paper, so that the other one is marked."""
    here.devices["kitchen"].run_out_of_paper(after_lines=4)
    told = here.json("print", "-", stdin=order(1))
    number = told["tickets"][0]["ticket"]
    here.until(lambda: here.json("queue", "list")["tickets"][0]["state"] == "held", "a ticket that is held")
    assert "marked" in here.run("queue", "move", str(number), "bar").stdout
    here.until(lambda: bool(paper(here, "bar")), "the ticket at the bar")
    assert [ticket.marked for ticket in paper(here, "bar")] == [True]


def test_a_moved_ticket_stays_there_over_a_restart(here: Shopfront) -> None:
    """Nobody who moved it expects it at the broken printer the next morning."""
    here.devices["bar"].run_out_of_paper()
    here.until(lambda: here.status()["printers"][1]["need"] == "paper", "no paper at the bar")
    number = waiting_ticket(here)
    here.json("queue", "move", str(number), "bar")
    assert here.process.stop() == 0
    here.devices["kitchen"].load_paper()
    here.start()
    here.json("print", "-", stdin=order(2))
    assert [ticket.number for ticket in paper(here, "kitchen")] == ["2"]
    (waiting,) = here.json("queue", "list")["tickets"]
    assert (waiting["ticket"], waiting["home"]) == (number, "bar")
    here.devices["bar"].load_paper()
    here.until(lambda: [ticket.number for ticket in paper(here, "bar")] == ["1"], "the ticket at the bar")
    here.until(lambda: here.status()["tickets"]["waiting"] == 0, "nothing that waits")


def test_a_move_that_makes_no_sense_changes_nothing(here: Shopfront) -> None:
    """With what to do instead."""
    number = waiting_ticket(here)
    for words, why in (
        (("999", "bar"), "there is no ticket 999"),
        ((str(number), "moon"), "there is no printer 'moon'; there is kitchen, bar"),
        ((str(number), "all"), "there is no printer 'all'"),
        ((str(number), "kitchen"), "queue retry"),
    ):
        assert why in refused(here.run("queue", "move", *words))
    done = here.json("print", "-", stdin=order(7, DRINK))["tickets"][0]["ticket"]
    assert "shop-agent reprint" in refused(here.run("queue", "move", str(done), "kitchen"))
    assert [each["ticket"] for each in here.json("queue", "list")["tickets"] if each["order"]] == [number]


def test_a_ticket_for_a_paused_printer_says_that_it_waits(here: Shopfront) -> None:
    """Else somebody stands there and wonders."""
    here.json("printers", "pause", "bar")
    number = waiting_ticket(here)
    assert "printers resume bar" in here.run("queue", "move", str(number), "bar").stdout
    here.json("printers", "resume", "bar")
    here.until(lambda: bool(paper(here, "bar")), "the ticket at the bar")


# -- reprint -------------------------------------------------------------------------------------------------------


def test_reprint_is_a_command_of_its_own(here: Shopfront) -> None:
    """As under queue: marked, on the same printer."""
    here.json("print", "-", stdin=order(4))
    done = here.run("reprint", "4")
    assert done.exit_code == 0
    here.until(lambda: len(paper(here, "kitchen")) == 2, "the copy")
    assert [ticket.marked for ticket in paper(here, "kitchen")] == [False, True]


def test_the_cloud_may_move_a_ticket_too(tmp_path: Path) -> None:
    """The same command by MQTT, answered once."""
    import paho.mqtt.client as mqtt
    from paho.mqtt.enums import CallbackAPIVersion

    with (
        Mosquitto(tmp_path / "broker") as broker,
        shopfront(tmp_path, f"mqtt://127.0.0.1:{broker.port}", ("kitchen", "bar"), stations=STATIONS) as here,
    ):
        number = waiting_ticket(here)
        here.until(lambda: here.status()["line"]["state"] == "up", "the line")
        client = mqtt.Client(CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv5)
        client.connect("127.0.0.1", broker.port)
        client.loop_start()
        command: dict[str, Any] = {"specversion": "1.0", "id": "c-1", "source": "//cloud/staff", "type": "command.move"}
        command["data"] = {"ticket": number, "printer": "bar", "by": "王店长"}
        client.publish("shops/s1/dn/cmd/box1", json.dumps(command), 1).wait_for_publish(10)
        here.until(lambda: [ticket.number for ticket in paper(here, "bar")] == ["1"], "the ticket at the bar")
        client.disconnect()
        client.loop_stop()


# -- the rule of moving, on a journal alone ------------------------------------------------------------------------


@pytest.fixture
def door(tmp_path: Path) -> Iterator[Door]:
    """A front door over a real journal; `kitchen` is its only station's printer, `bar` is there too."""
    shop = Door(tmp_path)
    yield shop
    shop.journal.stop(5)


def send_to(door: Door, number: int, printer: str = "bar") -> str:
    """Somebody moves a ticket; what is said of it."""
    return door.journal.write(lambda tx: transfers.move(tx, Move(number, printer, "王店长"), printer))


def in_the_printer(door: Door, number: int, state: JobState) -> None:
    """Bytes of it went out, and it came to this."""

    def work(tx: Tx) -> None:
        job = jobs.find(tx, number)
        assert job is not None
        job = msgspec.structs.replace(job, number=jobs.running_number(tx, job, "2026-11-22"))
        assert jobs.claim(tx, job, "kitchen", "2026-11-22", Expected(1, 9, 1), None)
        job = jobs.find(tx, number)
        assert job is not None
        if state is not JobState.PROCESSING:
            jobs.settle(tx, job, Settlement(state, reason="who knows", keep_intent=True))

    door.journal.write(work)


@pytest.mark.parametrize("state", [JobState.HELD, JobState.UNCONFIRMED])
def test_what_may_be_on_paper_is_moved_as_a_possible_duplicate(door: Door, state: JobState) -> None:
    """And the alarm about it is over: somebody has decided."""
    number = door.held_ticket()
    door.journal.write(lambda tx: jobs.release(tx, "kitchen"))
    in_the_printer(door, number, state)
    door.journal.write(lambda tx: notes.raise_alarm(tx, f"ticket:{number}", "in doubt"))
    assert send_to(door, number).endswith("will be printed on bar, marked")
    job = door.job(number)
    assert (job.state, job.home, job.mark, job.intent) == (JobState.PENDING, "bar", Mark.POSSIBLE_DUPLICATE, None)
    assert f"ticket:{number}" not in door.journal.write(notes.alarms)


def test_what_is_being_printed_is_left_alone(door: Door) -> None:
    """Its printer will answer."""
    number = door.held_ticket()
    door.journal.write(lambda tx: jobs.release(tx, "kitchen"))
    in_the_printer(door, number, JobState.PROCESSING)
    with pytest.raises(CommandRefused, match="being printed now"):
        send_to(door, number)
    assert door.job(number).home == "kitchen"


def test_a_torn_piece_hangs_at_the_old_printer(door: Door) -> None:
    """On the new one what lies above is another ticket: it is marked, and nothing is to be thrown away there."""
    number = door.held_ticket()
    door.journal.write(lambda tx: jobs.release(tx, "kitchen"))
    mark = Mark.DISCARD_PIECE_ABOVE
    door.journal.write(lambda tx: tx.execute("UPDATE jobs SET mark = ? WHERE id = ?", (mark, number)))
    assert send_to(door, number).endswith("marked")
    assert door.job(number).mark is Mark.POSSIBLE_DUPLICATE


def test_nothing_overtakes_an_older_ticket_of_its_order(door: Door) -> None:
    """The order lies in the kitchen's buffer; its cancel must not come out at the bar before it."""
    number = door.held_ticket()
    door.journal.write(lambda tx: jobs.release(tx, "kitchen"))
    in_the_printer(door, number, JobState.HELD)
    cancel = {"order": {"id": "id-1", "rev": 1, "channel": "test"}, "reason": "客人取消"}
    event = {"specversion": "1.0", "id": "e-9", "source": "//test", "type": "order.cancel", "data": cancel}
    door.send(event, "order")
    void = next(job for job in door.journal.write(jobs.unsettled) if job.id != number)
    with pytest.raises(CommandRefused, match=f"ticket {number} of the same order lies in kitchen"):
        send_to(door, void.id)


def test_notices_stay_where_they_are(door: Door) -> None:
    """They speak of a printer, and tell the staff beside another."""
    number = door.journal.write(lambda tx: notices.post_test(tx, "kitchen"))
    with pytest.raises(CommandRefused, match="only orders' tickets"):
        send_to(door, number)


def test_what_was_moved_is_forgotten_once_it_is_settled(door: Door) -> None:
    """The journal does not grow by it; a printer that is gone from the configuration keeps no ticket."""
    first, second = door.held_ticket(1), door.held_ticket(2)
    send_to(door, first)
    send_to(door, second)
    assert door.journal.write(transfers.kept) == {first: "bar", second: "bar"}
    door.journal.write(lambda tx: decide(tx, Settle("discard", ticket=first)))
    assert door.journal.write(transfers.kept) == {second: "bar"}
    assert door.count("meta WHERE key LIKE 'moved:%'") == 1
    routed = {"wok": "kitchen"}
    assert door.journal.write(lambda tx: routes.reroute(tx, routed, "kitchen", {"kitchen", "bar"})) == 0
    assert door.job(second).home == "bar"
    assert door.journal.write(lambda tx: routes.reroute(tx, routed, "kitchen", {"kitchen"})) == 1
    assert door.job(second).home == "kitchen"
