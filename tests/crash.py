"""kill -9 at named points, again and again, while orders come in; the paper is the judge.

Run by hand for the long campaign:  .venv/bin/python -m tests.crash --kills 20 --orders 200
"""

import random
import shutil
import tempfile
import threading
import time
from collections.abc import Iterable
from contextlib import ExitStack
from itertools import count, takewhile
from pathlib import Path

import click
import msgspec
import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from agent.checkpoint import NAMES
from agent.simulator.ports import serve_pty, serve_tcp
from agent.simulator.printer import PrinterSpec, VirtualPrinter
from agent.simulator.share import Stations
from agent.simulator.stage import AgentProcess, Mosquitto
from agent.simulator.verdict import Fault, Verdict, judge_paper

STATIONS = Stations("kitchen")
A_KILL_S = 1.5
"""Seconds of orders for each kill, and more of them where a point is passed rarely."""


class Outcome(msgspec.Struct):
    """What a campaign at one point came to."""

    point: str
    kills: int
    orders: int
    seconds: float
    verdict: Verdict


def order_event(number: int) -> dict[str, object]:
    """An order that a cook could make."""
    items = [{"name": "豆浆", "qty": "2", "note": "不要糖"}, {"name": "鲜肉小笼包", "qty": str(1 + number % 9)}]
    order = {"id": f"id-{number}", "rev": 1, "channel": "test", "no": str(number), "items": items}
    return {
        "specversion": "1.0",
        "id": f"event-{number}",
        "source": "//crash/s1",
        "type": "order.upsert",
        "sequence": f"{number:020}",
        "data": {"order": order},
    }


class Publisher:
    """Publishes the orders of these numbers at a pace; every one of them must be on paper."""

    def __init__(self, port: int, numbers: Iterable[int], per_s: float) -> None:
        self.events: list[dict[str, object]] = []
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id="crash-cloud", protocol=mqtt.MQTTv5)
        self._born = threading.Event()
        self._client.on_message = lambda *_: self._born.set()
        self._client.connect("127.0.0.1", port)
        self._client.subscribe("shops/s1/up/box1/state", 1)
        self._client.loop_start()
        self._thread = threading.Thread(target=self._run, args=(numbers, per_s), daemon=True)

    def start(self) -> None:
        """Begin, once the agent has subscribed: what is published before its session exists, no broker keeps."""
        if not self._born.wait(20):
            raise RuntimeError("the agent did not announce itself")
        self._thread.start()

    def finish(self) -> None:
        """Wait until every order was published."""
        self._thread.join()
        self._client.disconnect()
        self._client.loop_stop()

    def _run(self, numbers: Iterable[int], per_s: float) -> None:
        for number in numbers:
            event = order_event(number)
            payload = msgspec.json.encode(event)
            self._client.publish("shops/s1/dn/order", payload, 1).wait_for_publish(10)
            self.events.append(event)
            time.sleep(1 / per_s)


def campaign(point: str, kills: int, orders: int, seed: int, folder: Path, spec: PrinterSpec, cable: str) -> Outcome:
    """Kill the agent `kills` times at `point` while orders come in, at least so many, let it finish, and judge the
    paper.
    """
    chance = random.Random(f"{seed}-{point}")
    started = time.monotonic()
    with ExitStack() as stack:
        broker = stack.enter_context(Mosquitto(folder / "broker"))
        device = stack.enter_context(VirtualPrinter(spec))
        port = stack.enter_context(serve_tcp(device) if cable == "tcp" else serve_pty(device))
        config = folder / "agent.yaml"
        confirm = "none" if spec.tier == 3 else "auto"  # a new mute printer is waited for
        config.write_text(
            f"shop: s1\ndata_dir: {folder}/data\nbroker: {{url: 'mqtt://127.0.0.1:{broker.port}'}}\n"
            f"printers: [{{name: kitchen, link: '{port.link}', confirm: {confirm}}}]\n"
            "printing: {reprint_after_s: 2}\n"
        )
        agent = AgentProcess(config, folder / "agent.log")
        stack.callback(agent.kill)
        agent.start()
        enough = threading.Event()
        numbers = takewhile(lambda number: number <= orders or not enough.is_set(), count(1))
        publisher = Publisher(broker.port, numbers, per_s=max(2.5, orders / (kills * A_KILL_S)))
        stack.callback(enough.set)
        publisher.start()
        done = 0
        while done < kills:
            agent.kill()
            agent.start(crash=f"{point}:{chance.randint(1, 3)}")
            code = agent.wait(30.0)
            if code is None:
                break
            if code != -9:
                raise RuntimeError(f"the agent ended with {code}; see {agent.log}")
            done += 1
        agent.kill()
        agent.start()
        enough.set()
        publisher.finish()
        wanted = {str(number) for number in range(1, len(publisher.events) + 1)}
        device.wait_for(lambda it: wanted <= _numbers(it), 60)
        agent.stop()
        device.wait_for(lambda it: it.buffered == 0, 10)
        pieces = [*device.paper.pieces]
        if not device.paper.current.is_blank:
            pieces.append(device.paper.current)
        verdict = judge_paper(publisher.events, {"kitchen": pieces}, STATIONS)
    return Outcome(point, done, len(publisher.events), time.monotonic() - started, verdict)


def _numbers(device: VirtualPrinter) -> set[str]:
    text = "\n".join(piece.text for piece in device.paper.pieces)
    return {word[1:] for word in text.split() if word.startswith("#")}


@click.command()
@click.option("--kills", default=20)
@click.option("--orders", default=200)
@click.option("--seed", default=1)
@click.option("--point", "points", multiple=True, default=NAMES)
@click.option("--cable", default="tcp")
@click.option("--tier", default=1)
def main(kills: int, orders: int, seed: int, points: tuple[str, ...], cable: str, tier: int) -> None:
    """The campaign at every point, as a table; exit 1 when anything was lost, doubled unmarked or torn unmarked."""
    click.echo(f"{'point':24} kills orders  lost doubled partial other marked seconds   (seed {seed}, tier {tier})")
    bad = 0
    for point in points:
        folder = Path(tempfile.mkdtemp(prefix="crash-"))
        outcome = campaign(point, kills, orders, seed, folder, PrinterSpec(tier=tier, line_time_s=0.002), cable)
        v = outcome.verdict
        lost, doubled, partial = (v.count(kind) for kind in (Fault.LOST, Fault.DOUBLED, Fault.PARTIAL))
        other = len(v.findings) - lost - doubled - partial
        click.echo(
            f"{point:24} {outcome.kills:5} {outcome.orders:6} {lost:5} {doubled:7} {partial:7} {other:5} "
            f"{v.reprints:6} {outcome.seconds:7.1f}"
        )
        for finding in v.findings[:5]:
            click.echo(f"    {finding}")
        bad += not v.fine
        if v.fine:
            shutil.rmtree(folder)
    raise SystemExit(bool(bad))


if __name__ == "__main__":
    main()
