"""What the agent makes of a broker: the real agent as its own process, a virtual printer, a cloud; the paper judges.

One shop plays the scenes one after the other. Each says in words what the broker did; what is wrong with the paper is
found at the end, over all of them.
"""

import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

from agent.simulator.cloud import Cloud
from agent.simulator.ports import serve_tcp
from agent.simulator.printer import PrinterSpec, VirtualPrinter
from agent.simulator.reading import read_paper
from agent.simulator.share import Stations
from agent.simulator.stage import AgentProcess
from agent.simulator.verdict import Finding, Verdict, judge_paper
from agent.simulator.word import judge_word
from tests.matrix.child import BrokerChild, Setup
from tests.matrix.probe import Probe

SETTLE_S = 60.0
LATE_S = 35.0
AFTER_COMMIT = "intake.after_commit:3"
WHO = "s1-box1"
KIB = 1024


class Shop:
    """One broker, one agent. `play` a scene, `verdict` at the end."""

    def __init__(self, broker: BrokerChild, protocol: str, folder: Path) -> None:
        self.broker, self.protocol, self.folder = broker, protocol, folder / "shop"
        self._stack = ExitStack()
        self._orders = 0
        self._unprintable: set[str] = set()
        self.faults: list[str] = []
        """What the agent did wrong, beside the paper."""

    def __enter__(self) -> Self:
        with self._stack as stack:
            self.broker.start()
            self.device = stack.enter_context(VirtualPrinter(PrinterSpec()))
            port = stack.enter_context(serve_tcp(self.device))
            self.cloud = stack.enter_context(Cloud("127.0.0.1", self.broker.port, shop="s1", protocol=self.protocol))
            (self.folder / "data").mkdir(parents=True)
            settings = self.folder / "shop-agent.yaml"
            settings.write_text(
                f"shop: s1\ndata_dir: {self.folder}/data\n"
                f"broker: {{url: 'mqtt://127.0.0.1:{self.broker.port}', protocol: '{self.protocol}'}}\n"
                f"printers: [{{name: wok, link: '{port.link}'}}]\n"
                "printing: {reprint_after_s: 2}\nreport: {beat_s: 5}\nintake: {clock: trust}\n",
                encoding="utf-8",
            )
            self.agent = AgentProcess(settings, self.folder / "agent.log")
            stack.callback(self.agent.kill)
            self.come()
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    # -- the agent and its orders --------------------------------------------------------------------------------

    def come(self, crash: str = "") -> None:
        """Start the agent and wait until it is online."""
        births = len(self.cloud.states)
        self.agent.start(crash)
        if not self.cloud.wait_for(lambda it: any(state["online"] for state in it.states[births:]), SETTLE_S):
            raise RuntimeError(f"the agent did not come online; see {self.agent.log}")

    def order(self, count: int, deliver: bool = True, size: int = 0, printable: bool = True) -> list[dict[str, Any]]:
        """So many further orders; `size` is about how large they are on the wire, in bytes."""
        events = []
        for _ in range(count):
            self._orders += 1
            number = str(self._orders)
            items = [{"name": "豆浆", "qty": "2"}, {"name": "鲜肉小笼包", "qty": str(1 + self._orders % 9)}]
            order = {"id": f"id-{number}", "rev": 1, "channel": "test", "no": number, "items": items}
            if size:
                order["ignored"] = "x" * size
            if not printable:
                self._unprintable.add(number)
            events.append(self.cloud.publish("order.upsert", {"order": order}, deliver=deliver))
        return events

    def settle(self) -> None:
        """Wait until every order is on paper and the cloud was told so, as far as that can be; time is up else."""
        wanted = {str(number) for number in range(1, self._orders + 1)} - self._unprintable
        self.device.wait_for(lambda _: wanted <= self.printed(), SETTLE_S)
        self.cloud.wait_for(lambda it: self._told(it) >= len(wanted), 5)

    def printed(self) -> set[str]:
        """The numbers on paper."""
        return {ticket.number for ticket in read_paper("wok", self.device.paper.pieces)}

    def restart(self, how: str, setup: Setup = "default") -> None:
        """Stop or kill the broker, and start it again."""
        getattr(self.broker, how)()
        self.broker.start(setup)

    def must(self, fine: bool, words: str) -> str:
        """The words, or a fault of the agent's: it did not do that."""
        if not fine:
            self.faults.append(f"not {words}")
        return words if fine else f"**not {words}**"

    def untold(self) -> int:
        """How many orders are on paper whose *printed* the cloud has not heard."""
        return len(self.printed() - {""}) - self._told(self.cloud)

    @staticmethod
    def _told(cloud: Cloud) -> int:
        return sum(state == "printed" for state in cloud.order_states.values())

    def verdict(self) -> Verdict:
        """The paper of the whole day, and whether what was called confirmed was on it."""
        self.agent.stop()
        self.device.wait_for(lambda it: it.buffered == 0, 10)
        paper = {"wok": [*self.device.paper.pieces]}
        events = [event for event in self.cloud.events if event["data"]["order"]["no"] not in self._unprintable]
        found = judge_paper(events, paper, Stations("kitchen"))
        words: list[Finding] = judge_word(self.cloud.reports, paper)
        found.findings += words
        return found


# -- scenes ------------------------------------------------------------------------------------------------------


def connected(shop: Shop) -> str:
    """Orders down and reports up while all is well."""
    shop.order(20)
    shop.settle()
    told: dict[str, list[str]] = {}
    for report in shop.cloud.reported("order.state"):
        told.setdefault(report["order"]["id"], []).append(report["state"])
    fine = sum(states == ["accepted", "printed"] for states in told.values())
    return shop.must(fine == 20, "20 of 20 printed, and told in order")


def session_told(shop: Shop) -> str:
    """What the beat says of the session."""
    shop.cloud.wait_for(lambda it: bool(it.beats), 10)
    session = shop.cloud.beats[-1]["session"]
    expiry = "not said" if session["expiry_s"] is None else f"{session['expiry_s']} s"
    return f"present {str(session['present']).lower()}, expiry {expiry}"


def duplicates(shop: Shop) -> str:
    """The same events again, as a broker that sends twice."""
    before = len(shop.cloud.reported("order.state", state="duplicate"))
    for event in shop.cloud.events[:10]:
        shop.cloud.resend(event)
    known = shop.cloud.wait_for(lambda it: len(it.reported("order.state", state="duplicate")) >= before + 10, 15)
    return shop.must(known, "10 of 10 known again")


def burst(shop: Shop) -> str:
    """More at once than any window lets through."""
    started = time.monotonic()
    shop.order(250)
    shop.settle()
    return f"250 on paper after {time.monotonic() - started:.0f} s"


def agent_away(shop: Shop) -> str:
    """Orders while the agent is away for a while."""
    shop.agent.stop()
    shop.order(40)
    shop.cloud.flush(30)
    before = _known_again(shop)
    shop.come()
    shop.settle()
    return _replay(shop, before)


def agent_killed(shop: Shop) -> str:
    """kill -9 of the agent after its commit and before its PUBACK; the last will; and back."""
    shop.agent.stop()
    shop.come(crash=AFTER_COMMIT)
    shop.order(15)
    code = shop.agent.wait(30)
    died_at = time.monotonic()
    will = shop.cloud.wait_for(lambda it: not it.online, 15)
    said = f"will after {time.monotonic() - died_at:.1f} s" if will else "**no will**"
    before = _known_again(shop)
    shop.come()
    shop.settle()
    if code != -9:
        shop.faults.append(f"the agent ended with {code} and not at {AFTER_COMMIT}; see {shop.agent.log}")
    return f"{said}; {_replay(shop, before)}"


def late_redelivery(shop: Shop) -> str:
    """What the killed agent had not acknowledged, long after the replay brought it."""
    shop.agent.stop()
    shop.come(crash=AFTER_COMMIT)
    shop.order(5)
    shop.agent.wait(30)
    shop.come()
    shop.settle()
    before = _known_again(shop)
    shop.cloud.wait_for(lambda it: len(it.reported("order.state", state="duplicate")) > before, LATE_S)
    time.sleep(1)
    return f"{_known_again(shop) - before} more came, printed once"


def broker_stopped(shop: Shop) -> str:
    """The broker is stopped and started in the rush."""
    return _rush(shop, "stop")


def broker_killed(shop: Shop) -> str:
    """SIGKILL of the broker in the rush."""
    return _rush(shop, "kill")


def session_lost(shop: Shop) -> str:
    """The agent is away, the broker loses all that it kept: an alarm, and everything comes by the replay."""
    shop.agent.stop()
    shop.order(15)
    shop.cloud.flush(30)
    shop.broker.kill()
    shop.broker.forget()
    shop.broker.start()
    # The cloud must be back first, or nobody hears the request.
    back_by = time.monotonic() + 30
    while not shop.broker.clients() and time.monotonic() < back_by:
        time.sleep(0.1)
    time.sleep(1)
    raised = len(shop.cloud.reported("alarm", key="session", state="raised"))
    shop.come()
    shop.settle()
    told = shop.cloud.wait_for(lambda it: len(it.reported("alarm", key="session", state="raised")) > raised, 10)
    cleared = shop.cloud.wait_for(lambda it: "session" not in it.alarms, 20)
    present = [beat["session"]["present"] for beat in shop.cloud.beats[-3:] if beat["session"]]
    return ", ".join(
        [
            shop.must(told, "raised as an alarm"),
            shop.must(cleared, "cleared once all came"),
            shop.must(False in present, "told in the beat"),
        ]
    )


def short_queue(shop: Shop) -> str:
    """A broker whose queue for us is short drops in silence while we are away."""
    if "limited" not in shop.broker.setups:
        return "can't be limited"
    shop.agent.stop()
    shop.restart("stop", "limited")
    time.sleep(3)  # the cloud comes back
    shop.order(60)
    shop.cloud.flush(30)
    before = len(shop.cloud.requests)
    shop.come()
    shop.settle()
    asked = len(shop.cloud.requests) - before
    shop.restart("stop")
    return "60 on paper, " + shop.must(asked > 0, "asked for by a replay")


def dropped(shop: Shop) -> str:
    """One is dropped on the way while we are connected: only the next one's sequence tells."""
    _wait_online(shop)
    before, started = len(shop.cloud.requests), time.monotonic()
    shop.order(1, deliver=False)
    shop.order(3)
    shop.settle()
    asked = len(shop.cloud.requests) - before
    return f"{shop.must(asked > 0, 'found by the sequence')}, {time.monotonic() - started:.1f} s"


def taken_over(shop: Shop) -> str:
    """Another comes with our client id, takes what is ours, acknowledges it and goes."""
    _wait_online(shop)
    rival = Probe(shop.broker.port, WHO, shop.protocol)
    births = len(shop.cloud.states)
    rival.connect()
    shop.order(10)
    rival.wait_quiet(0.3, 1.0)
    stolen = len(rival.got)
    rival.close()
    shop.cloud.wait_for(lambda it: any(state["online"] for state in it.states[births:]), SETTLE_S)
    shop.settle()
    return f"the rival got {stolen} of 10; all on paper"


def large(shop: Shop) -> str:
    """Orders of 60 and 240 KiB print; one of 290 is refused aloud; what the broker never gives us is missed aloud."""
    _wait_online(shop)
    shop.order(1, size=60 * KIB)
    shop.order(1, size=240 * KIB)
    shop.settle()
    shop.order(1, size=290 * KIB, printable=False)
    refused = shop.cloud.wait_for(lambda it: bool(it.reported("event.rejected")), 15)
    shop.order(1, size=400 * KIB, printable=False)
    shop.order(1)
    shop.settle()
    missed = shop.cloud.wait_for(lambda it: any(key.startswith("missing:") for key in it.alarms), 30)
    return f"240 KiB on paper; 290 KiB {shop.must(refused, 'reported')}; 400 KiB {shop.must(missed, 'alarmed')}"


def _rush(shop: Shop, how: str) -> str:
    _wait_online(shop)
    before, untold = _known_again(shop), shop.untold()
    shop.order(10)
    getattr(shop.broker, how)()
    shop.order(5)
    shop.broker.start()
    started = time.monotonic()
    shop.order(5)
    births = len(shop.cloud.states)
    shop.cloud.wait_for(lambda it: any(state["online"] for state in it.states[births:]), SETTLE_S)
    back_s = time.monotonic() - started
    shop.settle()
    lost = f", **reports lost by it: {shop.untold() - untold}**" if shop.untold() > untold else ""
    return f"back after {back_s:.0f} s, {_replay(shop, before)}{lost}"


def _known_again(shop: Shop) -> int:
    return len(shop.cloud.reported("order.state", state="duplicate"))


def _replay(shop: Shop, before: int) -> str:
    return f"{_known_again(shop) - before} came twice, printed once"


def _wait_online(shop: Shop) -> None:
    if not shop.cloud.wait_for(lambda it: it.online, SETTLE_S):
        raise RuntimeError(f"the agent is not online; see {shop.agent.log}")


Scene = Callable[[Shop], str]
SHORT = (connected, agent_killed, broker_killed)
"""Where the time is short."""

LONG = (burst, late_redelivery)
"""Where there is time."""

SCENES: tuple[tuple[str, Scene], ...] = (
    ("Orders down, reports up", connected),
    ("Session, as the beat tells it", session_told),
    ("Duplicates", duplicates),
    ("250 at once", burst),
    ("40 orders while the agent is away", agent_away),
    ("Agent kill -9 between commit and PUBACK", agent_killed),
    ("Within 35 s after that", late_redelivery),
    ("Broker restarts in the rush", broker_stopped),
    ("Broker kill -9 in the rush", broker_killed),
    ("Broker loses its sessions", session_lost),
    ("Queue of 20 for us, 60 orders", short_queue),
    ("One order dropped while connected", dropped),
    ("Another with our client id", taken_over),
    ("Large orders", large),
)
