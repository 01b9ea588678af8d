"""One shop for one row of the matrix: cloud, broker, a relay on the line, the agent's process, printers. All that
chance decides is drawn from the row's seed: orders, printers, cables, versions, moments.
"""

import random
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

import msgspec

from agent.simulator.cloud import Cloud
from agent.simulator.printer import VirtualPrinter
from agent.simulator.proof import Evidence, judge, untaken
from agent.simulator.reading import read_paper
from agent.simulator.stage import AgentProcess, Mosquitto
from agent.simulator.verdict import Finding, Verdict
from tests.campaign.fleet import Member, config, fleet, stations
from tests.campaign.mishaps import put_right
from tests.campaign.orders import OrderPad, told
from tests.paper import all_pieces
from tests.prove.keeper import Keeper
from tests.prove.relay import Relay

START_S = 60.0
LOOK_EACH_S = 0.1
CHANGES = 0.15
TWO_STATIONS = 0.25
FINAL = ("completed", "canceled", "aborted")
UNSETTLED = ("accepted", "held")
SHOP = "s421"


class Needs(msgspec.Struct, frozen=True):
    """What a row needs of its shop; None leaves it to chance. Printers that never answer are the campaign's matter:
    nobody could know what became of their tickets.
    """

    printers: int = 2
    cable: str | None = None
    tiers: tuple[int, ...] = (1, 2)
    protocol: str | None = None
    counts: bool | None = None
    settings: str = ""
    line: str = ""
    module: str = "agent"
    trust_clock: bool = True
    quiet_s: float = 75.0


class Stage:
    """The shop. `chance` are the row's dice; `words` what is told of the run, `faults` what the row itself found."""

    def __init__(self, folder: Path, chance: random.Random, needs: Needs) -> None:
        self.folder, self.chance, self.needs = folder, chance, needs
        self.words: list[str] = []
        self.faults: list[str] = []
        self.cut_times_count = True
        self.keeper: Keeper | None = None
        self._not_orders: set[str] = set()
        self._meant: dict[str, dict[str, Any]] = {}
        self._stack = ExitStack()
        self._pad = OrderPad(chance)

    def __enter__(self) -> Self:
        needs, chance = self.needs, self.chance
        protocol = needs.protocol or chance.choice(("5", "3.1.1"))
        counts = needs.counts if needs.counts is not None else chance.random() < 0.5
        cable = needs.cable or chance.choice(("tcp", "mixed"))
        tiers = tuple(chance.sample(needs.tiers, len(needs.tiers)))
        printers = chance.getrandbits(32)
        self.data = self.folder / "data"
        self.data.mkdir(parents=True, exist_ok=True)
        with self._stack as stack:
            self.broker = stack.enter_context(Mosquitto(self.folder / "broker"))
            self.relay = stack.enter_context(Relay(self.broker.port))
            self.members = stack.enter_context(fleet(needs.printers, cable, tiers, printers))
            here = ("127.0.0.1", self.broker.port)
            self.cloud = stack.enter_context(Cloud(*here, shop=SHOP, protocol=protocol, counts=counts))
            self.config = self.folder / "agent.yaml"
            self.config.write_text(self._settings(protocol), encoding="utf-8")
            self.agent = AgentProcess(self.config, self.folder / "agent.log", needs.module)
            stack.callback(self.agent.kill)
            self._stack = stack.pop_all()
        counted = "counted" if counts else "uncounted"
        self.say(f"MQTT {protocol}, {counted}; {'; '.join(str(member) for member in self.members)}")
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _settings(self, protocol: str) -> str:
        text = config(self.members, str(self.folder), self.relay.port, backups=False)
        text = text.replace(f"{self.relay.port}'}}", f"{self.relay.port}', protocol: '{protocol}'{self.needs.line}}}")
        clock = "intake: {clock: trust}\n" if self.needs.trust_clock else ""
        return text + "printing: {reprint_after_s: 1}\nreport: {beat_s: 5}\n" + clock + self.needs.settings

    # -- what a row does ---------------------------------------------------------------------------------------------

    def say(self, words: str) -> None:
        """One more thing that happened."""
        self.words.append(words)

    def must(self, fine: bool, words: str) -> None:
        """What this row expects beside the paper."""
        if not fine:
            self.faults.append(f"expected: {words}")

    def start(self, environment: Mapping[str, str] | None = None, *, crash: str = "", wait: bool = True) -> None:
        """Start the agent, and wait until the cloud hears it."""
        births = len(self.cloud.states)
        self.agent.start(crash, **(environment or {}))
        if wait and not self.cloud.wait_for(lambda it: any(s["online"] for s in it.states[births:]), START_S):
            raise RuntimeError(f"the agent did not come online; see {self.agent.log}")

    def keep(self, environment: Mapping[str, str] | None = None, crashes: Sequence[str] = ()) -> Keeper:
        """Have the agent started, and kept running from now on; its first lives may be told where to crash."""
        births = len(self.cloud.states)
        self.keeper = self._stack.enter_context(Keeper(self.agent, crashes, environment or {}))
        if not self.cloud.wait_for(lambda it: any(s["online"] for s in it.states[births:]), START_S):
            raise RuntimeError(f"the agent is not online; see {self.agent.log}")
        return self.keeper

    def order(
        self, count: int, changes: float = CHANGES, deliver: bool = True, **attributes: Any
    ) -> list[dict[str, Any]]:
        """So many further events: orders, and now and then a change of one."""
        sent = []
        for _ in range(count):
            change = self._pad.change() if self.chance.random() < changes else None
            kind, order = change or self._pad.order(self._places())
            sent.append(self.cloud.publish(kind, told(kind, order), deliver=deliver, **attributes))
        return sent

    def order_spiteful(self, name: str, printable: str) -> None:
        """An order for a dish of this name, of which paper shall say what is `printable`."""
        kind, order = self._pad.order(self._places())
        order["items"][0]["name"] = name
        event = self.cloud.publish(kind, told(kind, order))
        order["items"][0]["name"] = printable
        self._meant[event["id"]] = {**event, "data": told(kind, order)}

    def _events(self) -> list[dict[str, Any]]:
        """What shall be judged: orders as they are meant to be read."""
        return [self._meant.get(e["id"], e) for e in list(self.cloud.events) if e["id"] not in self._not_orders]

    def _places(self) -> list[str]:
        names = [member.name for member in self.members]
        two = self.chance.random() < TWO_STATIONS
        return sorted(self.chance.sample(names, 2 if two and len(names) > 1 else 1))

    def no_order(self, event: dict[str, Any]) -> None:
        """This event is not to be judged as one."""
        self._not_orders.add(event["id"])

    def whole(self) -> int:
        """Whole tickets on all paper."""
        return sum(ticket.whole for name, pieces in self._paper().items() for ticket in read_paper(name, pieces))

    def until(self, done: Callable[[], bool], timeout_s: float) -> bool:
        """Wait for something that nobody signals."""
        deadline = time.monotonic() + timeout_s
        while not (fine := done()) and time.monotonic() < deadline:
            time.sleep(LOOK_EACH_S)
        return fine

    def wait_printed(self, more: int = 1, timeout_s: float = 30.0) -> bool:
        """Wait for so many further whole tickets, or until nothing is owed."""
        goal = self.whole() + more
        return self.until(lambda: self.whole() >= goal or self.settled(), timeout_s)

    def settle(self, timeout_s: float = 60.0) -> bool:
        """Wait until all that was published was taken, printed and told."""
        return self.until(self.settled, timeout_s)

    def broker_back(self) -> None:
        """Start the broker; the agent comes to it after the cloud, so that no report is said to nobody."""
        self.relay.close()
        self.broker.start()
        if not self.until(lambda: self.cloud.listening, START_S):
            raise RuntimeError("the cloud did not come back")
        self.relay.close(False)

    # -- the end -----------------------------------------------------------------------------------------------------

    def settled(self) -> bool:
        """Was everything taken, and is every order's and ticket's end known to the cloud?"""
        events = self._events()
        if any(untaken(events, self.relay.acknowledged, list(self.cloud.reports))):
            return False
        ended = {(e["data"]["order"]["channel"], e["data"]["order"]["id"]) for e in events}
        states = dict(self.cloud.order_states)
        last = {each["ticket"]: each["state"] for each in self.cloud.reported("ticket.state")}
        return all(states.get(order, "held") not in UNSETTLED for order in ended) and set(last.values()) <= set(FINAL)

    def finish(self) -> Verdict:
        """Put everything right, let it come to an end, stop the agent, and judge."""
        self.relay.heal()
        for member in self.members:
            put_right(member.device)
        if self.keeper is None and not self.agent.running():
            self.start(wait=False)
        quiet = self.settle(self.needs.quiet_s)
        if quiet and not self._judge().fine:
            time.sleep(1.0)  # the paper of a change may come a moment after the word
        if self.keeper is not None:
            self.keeper.let_go()
        self._stop()
        for member in self.members:
            member.device.wait_for(lambda it: it.buffered == 0, 10)
        self.must(quiet, f"all is taken, printed and told {self.needs.quiet_s:.0f} s after everything was put right")
        return self._judge()

    def _stop(self) -> None:
        try:
            code = self.agent.stop(15)
            self.must(code == 0, f"the agent ends well; it ended with {code}")
        except subprocess.TimeoutExpired:
            self.agent.kill()
            self.must(False, "the agent ends within 15 s")

    def _paper(self) -> dict[str, Any]:
        return {device.name: all_pieces(device) for device in self._devices()}

    def _devices(self) -> list[VirtualPrinter]:
        return [device for member in self.members for device in (member.device, *member.guests)]

    def _judge(self) -> Verdict:
        devices = self._devices()
        return judge(
            Evidence(
                events=self._events(),
                acknowledged=self.relay.acknowledged,
                paper=self._paper(),
                cut_times={device.name: device.cut_times for device in devices} if self.cut_times_count else None,
                stray={device.name: device.paper.stray for device in devices},
                reports=list(self.cloud.reports),
                stations=stations(self.members),
                homes={member.name: member.name for member in self.members},
            )
        )

    def member(self) -> Member:
        """One of the printers, by chance."""
        return self.chance.choice(self.members)

    def all_findings(self, verdict: Verdict) -> list[str | Finding]:
        """What is wrong, in all."""
        return [*verdict.findings, *self.faults]
