"""One order followed by its ids from the cloud to paper and back: log, reports, metrics, paper say the same."""

import re
from contextlib import ExitStack
from pathlib import Path

from agent.simulator.cloud import Cloud
from agent.simulator.ports import serve_tcp
from agent.simulator.printer import VirtualPrinter
from agent.simulator.stage import AgentProcess, Mosquitto, free_port
from tests.house import until
from tests.kitchen import read
from tests.till import answers, ask

WAIT_S = 30.0
EVENT, ORDER = "01JD3ZJOURNEY", "8812"


def metric(page: str, line: str) -> float:
    """The value of one line of the metrics' page; 0 where it is not there."""
    found = re.search(rf"^{re.escape(line)} (\S+)$", page, re.MULTILINE)
    return float(found[1]) if found else 0.0


def configure(folder: Path, broker: int, web: int, link: str) -> None:
    """A shop with one printer, whose console shows metrics."""
    (folder / "agent.yaml").write_text(
        f"shop: s1\ndata_dir: {folder}/data\nbroker: {{url: 'mqtt://127.0.0.1:{broker}'}}\n"
        f"console: {{listen: '127.0.0.1:{web}', metrics: true}}\n"
        f"printers: [{{name: kitchen, link: '{link}'}}]\n"
    )


def page(port: int) -> str:
    """The metrics, now."""
    return ask(port, "GET", "/metrics").body.decode()


def check_log(log: str) -> None:
    """By the order's id and by the event's, the ticket's number, no customer."""
    mine = [each.split(" ", 2)[2] for each in log.splitlines() if re.search(rf"\border={ORDER}\b", each)]
    assert any(each.startswith("intake.order_accepted") and f"event={EVENT}" in each for each in mine)
    assert any("ticket" in each and "printer=kitchen" in each for each in mine)
    assert "张三丰" not in log


def test_order_is_followed_by_its_id_from_the_event_to_paper(tmp_path: Path) -> None:
    """Whoever asks "where is order 8812?" finds it by its id, and by its event's, in the log and in the reports; the
    metrics count it without naming it; the paper bears its number.
    """
    web = free_port()
    with ExitStack() as stack:
        broker = stack.enter_context(Mosquitto(tmp_path / "mosquitto"))
        device = stack.enter_context(VirtualPrinter())
        port = stack.enter_context(serve_tcp(device))
        configure(tmp_path, broker.port, web, port.link)
        cloud = stack.enter_context(Cloud("127.0.0.1", broker.port, shop="s1"))
        agent = AgentProcess(tmp_path / "agent.yaml", tmp_path / "agent.log")
        stack.callback(agent.kill)
        agent.start()
        assert cloud.wait_for(lambda cloud: cloud.online, WAIT_S)
        until(lambda: answers(web), "the port")
        before = page(web)
        items = [{"name": "豆浆", "qty": "2"}]
        customer = {"name": "张三丰", "phone_tail": "8888"}
        order = {"id": ORDER, "rev": 1, "channel": "alipay", "no": "42", "items": items, "customer": customer}
        cloud.publish("order.upsert", {"order": order}, id=EVENT)
        assert cloud.wait_for(lambda cloud: cloud.order_states.get(("alipay", ORDER)) == "printed", WAIT_S)

        # paper
        (ticket,) = [each for piece in device.paper.pieces if (each := read(piece)).number == "42"]
        assert ticket.whole
        # reports: the answer to the event, the ticket, the order
        accepted = cloud.reported("order.state", state="accepted")
        printed = cloud.reported("order.state", state="printed")
        assert [each["event"] for each in accepted] == [EVENT]
        assert {each["order"]["id"] for each in accepted + printed} == {ORDER}
        (done,) = cloud.reported("ticket.state", state="completed")
        assert (done["order"]["id"], done["printer"], done["evidence"]) == (ORDER, "kitchen", "confirmed")
        # metrics: counted, and never named
        line = 'shop_agent_orders_total{result="accepted"}'
        until(lambda: metric(page(web), line) == metric(before, line) + 1, "the count")
        assert not any(word in page(web) for word in (f'"{ORDER}"', EVENT, "张三丰"))
        agent.stop()
        check_log((tmp_path / "agent.log").read_text())
