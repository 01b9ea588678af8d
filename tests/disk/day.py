"""A small day of a whole shop on a disk of which one operation fails: orders, a change, a cancel, a night, more orders.

python -m tests.disk.day                     # for a release: each operation of the day, each way to fail
python -m tests.disk.day --fault ENOSPC --at 17 --lasting
"""

import itertools
import logging
import multiprocessing
import os
import shutil
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import click
import msgspec
import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from agent.app import EXIT_JOURNAL, Agent
from agent.broker.backoff import Backoff
from agent.clock import SystemClock
from agent.config import Broker, Config, Printer, Printing
from agent.errors import JournalError
from agent.journal import store
from agent.model.link import parse_link
from agent.simulator.ports import serve_tcp
from agent.simulator.printer import PrinterSpec, VirtualPrinter
from agent.simulator.share import Stations
from agent.simulator.stage import Mosquitto
from agent.simulator.verdict import Verdict, judge_paper
from tests.disk.disk import Disk, Fault, Op, at

PATIENCE_S = 20.0
SLOW_S = 15.0
"""Longer than a day takes with its starts in vain; such a one is named."""
DAYS_A_PROCESS = 20
LASTS = 3
"""A fault that stays is mended after so many starts in vain, or refusals of a full disk."""


class Outcome(msgspec.Struct):
    """What a day came to. `codes`: how each life of the agent ended; `failed`: what the disk refused;
    `said`: what the log said is wrong."""

    verdict: Verdict
    operations: int
    codes: list[int] = []
    failed: list[str] = []
    said: list[str] = []

    @property
    def noticed(self) -> bool:
        """Whoever looks at the service or its log sees that something failed."""
        return bool(self.said) or any(self.codes)

    def __str__(self) -> str:
        words = "; ".join(map(str, self.verdict.findings)) or "the paper is right"
        return f"{', '.join(self.failed[:2])}: ends {self.codes}, says {self.said}: {words}"


class _Ears(logging.Handler):
    """What the log says is wrong."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.said: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Something is said."""
        self.said.append(record.getMessage())


@contextmanager
def _listening() -> Iterator[list[str]]:
    ears, agent = _Ears(), logging.getLogger("agent")
    agent.addHandler(ears)
    try:
        yield ears.said
    finally:
        agent.removeHandler(ears)


class Cloud:
    """Publishes to any shop of a broker."""

    def __init__(self, port: int) -> None:
        self.port = port
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id=f"day-{os.getpid()}", protocol=mqtt.MQTTv5)
        self.born: set[str] = set()
        """Shops that have subscribed: what is published to one before, no broker keeps."""
        self._client.on_message = lambda _client, _data, message: self.born.add(message.topic.split("/")[1])
        self._client.connect("127.0.0.1", port)
        self._client.subscribe("shops/+/up/+/state", 1)
        self._client.loop_start()

    def publish(self, shop: str, event: dict[str, Any]) -> None:
        """To the broker, which keeps it until the shop acknowledges it."""
        self._client.publish(f"shops/{shop}/dn/order", msgspec.json.encode(event), 1).wait_for_publish(10)

    def close(self) -> None:
        """Disconnect."""
        self._client.disconnect()
        self._client.loop_stop()


@contextmanager
def cloud(folder: Path) -> Iterator[Cloud]:
    """A broker and who publishes there, for many days."""
    with Mosquitto(folder) as broker:
        here = Cloud(broker.port)
        try:
            yield here
        finally:
            here.close()


def _event(number: int, rev: int, *dishes: str, cancel: bool = False) -> dict[str, Any]:
    order: dict[str, Any] = {"id": f"id-{number}", "rev": rev, "channel": "day", "no": str(number)}
    if not cancel:
        order["items"] = [{"id": dish, "name": dish, "qty": "2"} for dish in dishes]
    kind = "order.cancel" if cancel else "order.upsert"
    return {
        "specversion": "1.0",
        "id": f"{number}-{rev}-{kind}",
        "source": "//day",
        "type": kind,
        "data": {"order": order},
    }


STORY = (
    [_event(1, 1, "豆浆"), _event(2, 1, "油条", "豆浆")],
    [_event(1, 2, "豆浆", "油条")],
    [_event(2, 2, cancel=True), _event(3, 1, "豆浆")],
)
NEXT_DAY = ([_event(4, 1, "豆浆"), _event(5, 1, "油条")],)


class Day:
    """One shop, its printer and its disk."""

    def __init__(self, folder: Path, shop: str, cloud: Cloud, device: VirtualPrinter, link: str) -> None:
        self._cloud, self._shop, self._device = cloud, shop, device
        self._config = Config(
            shop=shop,
            data_dir=folder,
            broker=Broker(url=f"mqtt://127.0.0.1:{cloud.port}"),
            printers=[Printer(name="kitchen", link=parse_link(link))],
            printing=Printing(reprint_after_s=0.3),
        )
        self._told: list[dict[str, Any]] = []
        self._stop = threading.Event()
        self._agent: Agent | None = None
        self.codes: list[int] = []

    def play(self) -> Verdict:
        """The day, the night and the next morning; returns what is to be said of the paper."""
        for story in (STORY, NEXT_DAY):
            self._stop.clear()
            living = threading.Thread(target=self._live, name="day")
            living.start()
            try:
                self._until(
                    lambda: self._agent is not None and self._agent._cloud.up() and self._shop in self._cloud.born
                )
                for events in story:
                    for event in events:
                        self._cloud.publish(self._shop, event)
                        self._told.append(event)
                    self._until(lambda: self._judge().fine)
                self._until(lambda: self._device.buffered == 0)
            finally:
                self._stop.set()
                living.join(PATIENCE_S)
                assert not living.is_alive()
        return self._judge()

    def _judge(self) -> Verdict:
        pieces = [*self._device.paper.pieces]
        if not self._device.paper.current.is_blank:
            pieces.append(self._device.paper.current)
        return judge_paper(self._told, {"kitchen": pieces}, Stations("kitchen"))

    def _live(self) -> None:
        """As systemd does it: what failed is started again."""
        while not self._stop.is_set():
            try:
                agent = Agent(self._config, SystemClock())
                if agent._cloud.line is not None:
                    agent._cloud.line._backoff = Backoff(pace=0.001)
                self._agent = agent
                self.codes.append(agent.run(self._stop))
            except JournalError:
                self.codes.append(EXIT_JOURNAL)
            if self.codes[-1]:
                self._stop.wait(0.02)

    def _until(self, done: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while not done() and time.monotonic() < deadline:
            self._device.wait_for(lambda _: False, 0.02)


def play(folder: Path, cloud: Cloud, fault: Fault | None = None, number: int = 0, *, lasting: bool = False) -> Outcome:
    """A day on which the `number`-th operation of the disk fails: once, or it and what follows until it is mended."""
    failed: list[str] = []
    fails = at(number, fault, lasting=lasting) if fault else lambda _: None

    def before(op: Op) -> Fault | None:
        if lasting and failed and len(day.codes) > LASTS:
            return None
        if fault is Fault.FULL and op.what in ("open", "delete"):  # these need no room
            return None
        if (found := fails(op)) is not None:
            failed.append(f"{found.value} at {op.number}, {op.what} {op.path.name}")
            if lasting and found is Fault.FULL and len(failed) > LASTS:
                return None
        return found

    with ExitStack() as stack:
        device = stack.enter_context(VirtualPrinter(PrinterSpec(line_time_s=0.0005)))
        port = stack.enter_context(serve_tcp(device))
        stack.enter_context(patch.object(store, "RETRY_FULL_S", 0.05))
        stack.enter_context(patch.object(store, "IDLE_CHECKPOINT", 2))
        folder.mkdir()
        day = Day(folder, f"s{folder.name}", cloud, device, port.link)
        disk = stack.enter_context(Disk(folder))
        said = stack.enter_context(_listening())
        disk.before = before
        verdict = day.play()
        return Outcome(verdict, disk.operations, day.codes, failed, said)


class Task(msgspec.Struct, frozen=True):
    """A day to be played in a process of its own: the broker's port, and what fails."""

    folder: Path
    port: int
    fault: Fault
    number: int
    lasting: bool


def played(task: Task) -> tuple[Task, float, Outcome]:
    """How long it took, and what it came to."""
    logging.getLogger("agent").addHandler(logging.NullHandler())  # or every failure would come with its traceback
    began, here = time.monotonic(), Cloud(task.port)
    try:
        outcome = play(task.folder, here, task.fault, task.number, lasting=task.lasting)
    finally:
        here.close()
    return task, time.monotonic() - began, outcome


def sweep(tasks: Sequence[Task], jobs: int) -> int:
    """Play them, tell what came of them, and return how many were wrong."""
    began, days, bad, unseen = time.monotonic(), 0, 0, Counter[str]()
    # An agent that ends with 74 in a process that goes on leaves its sockets open there.
    with multiprocessing.get_context("spawn").Pool(jobs, maxtasksperchild=DAYS_A_PROCESS) as pool:
        for task, took_s, outcome in pool.imap_unordered(played, tasks):
            days += bool(outcome.failed)
            if outcome.failed and not outcome.noticed:
                unseen[outcome.failed[0].partition(", ")[2]] += 1
            if took_s > SLOW_S:
                click.echo(f"  {took_s:.0f} s: {outcome}")
            if outcome.verdict.fine:
                shutil.rmtree(task.folder)
            else:
                bad += 1
                click.echo(f"  WRONG {task.folder}: {outcome}")
    how = f"{tasks[0].fault.value} {'lasting' if tasks[0].lasting else 'once'}"
    click.echo(f"{how}: {days} days, {bad} wrong, in {time.monotonic() - began:.0f} s; unsaid {dict(unseen)}")
    return bad


@click.command()
@click.option("--fault", "faults", type=click.Choice([each.value for each in Fault]), multiple=True)
@click.option("--first", default=1, show_default=True)
@click.option("--every", default=1, show_default=True, help="Only each so-manieth operation.")
@click.option("--at", "only", default=0, help="Only this operation.")
@click.option("--lasting/--once", default=None, help="Both unless one is chosen.")
@click.option("--jobs", default=2, show_default=True, help="So many days at once.")
def main(faults: tuple[str, ...], first: int, every: int, only: int, lasting: bool | None, jobs: int) -> None:
    """Sweep over the operations of the day; exit 1 when the paper was wrong."""
    root, bad = Path(tempfile.mkdtemp(prefix="disk-day-")), 0
    with cloud(root / "broker") as here:
        whole = play(root / "whole", here)
        numbers = [only] if only else range(first, whole.operations + 1, every)
        click.echo(f"a day has some {whole.operations} operations: {whole}")
        for fault, lasts in itertools.product(faults or [each.value for each in Fault], (False, True)):
            if lasting is None or lasts == lasting:
                folders = {number: root / f"{fault}-{number}-{lasts}" for number in numbers}
                tasks = [Task(folder, here.port, Fault(fault), at, lasts) for at, folder in folders.items()]
                bad += sweep(tasks, jobs)
    if not bad:
        shutil.rmtree(root)
    raise SystemExit(bool(bad))


if __name__ == "__main__":
    main()
