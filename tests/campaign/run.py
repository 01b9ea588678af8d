"""One campaign from start to end: a broker, the agent as its own process, the fleet, the customers, the mishaps."""

import subprocess
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import msgspec

from agent.simulator.cloud import Cloud
from agent.simulator.stage import AgentProcess, Mosquitto
from tests.campaign.chronicle import Chronicle
from tests.campaign.director import Director
from tests.campaign.fleet import Member, Serve, config, fleet, serve, stations
from tests.campaign.mishaps import KINDS, Kind
from tests.campaign.orders import Customers
from tests.campaign.outcome import Outcome, judge

START_S = 120.0
TELL_EACH_S = 15.0
LAST_CHANGES_S = 30.0


class Plan(msgspec.Struct, frozen=True):
    """What shall be done.

    `calm` is the most tickets between two mishaps at a printer; `changes` the share of orders that are changed or taken
    back; `only` names the mishaps, `also` those that are played only where asked for, `without` those that are not;
    with `backups` each printer stands in for the one before it; `settings` are more lines of the agent's configuration.
    """

    tickets: int = 1000
    printers: int = 16
    cable: str = "mixed"
    tiers: tuple[int, ...] = (1, 2, 3)
    seed: int = 1
    per_s: float = 12.0
    calm: int = 5
    changes: float = 0.1
    only: tuple[str, ...] = ()
    also: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    patience_s: float = 240.0
    backups: bool = False
    settings: str = ""


class Finished(msgspec.Struct, frozen=True):
    """A campaign that is over: its outcome, and what its stories are told from."""

    outcome: Outcome
    chronicle: Chronicle
    members: list[Member]
    log: Path


def campaign(plan: Plan, folder: Path, say: Callable[[str], None], plug: Serve = serve) -> Finished:
    """Play it and judge it. `plug` serves the printers; the files are in `folder`.

    Raises:
        RuntimeError: the agent ended, or the campaign itself failed.
    """
    started = time.monotonic()
    log = folder / "agent.log"
    with ExitStack() as stack:
        broker = stack.enter_context(Mosquitto(folder / "broker"))
        members = stack.enter_context(fleet(plan.printers, plan.cable, plan.tiers, plan.seed, plug))
        cloud = stack.enter_context(Cloud("127.0.0.1", broker.port))
        chronicle = Chronicle(members, cloud)
        settings = folder / "shop-agent.yaml"
        settings.write_text(config(members, str(folder), broker.port, plan.backups) + plan.settings, encoding="utf-8")
        agent = AgentProcess(settings, log)
        stack.callback(agent.kill)
        agent.start()
        if not cloud.wait_for(lambda it: it.online, START_S):
            raise RuntimeError(f"the agent did not start; see {log}")
        kinds = _kinds(plan)
        directors = [Director(member, chronicle, kinds, plan.seed, plan.calm) for member in members]
        customers = Customers(cloud, chronicle, plan.tickets, plan.per_s, plan.changes, plan.seed)
        stack.callback(customers.stop)
        for director in directors:
            director.start()
            stack.callback(director.stop)
        customers.start()
        while not customers.wait(TELL_EACH_S):
            _tell(chronicle, customers, say)
            if not agent.running():
                raise RuntimeError(f"the agent ended; see {log}")
        for director in directors:
            director.stop()
        say(f"{chronicle.now():6.0f} s: all was ordered, everything is put right; {chronicle.owed()} tickets are owed")
        _drain(plan, chronicle, lambda: _judge(plan, chronicle, members, cloud, started))
        _stop(agent)
        for member in members:
            member.device.wait_for(lambda it: it.buffered == 0, 10)
        for director in directors:
            if director.failure is not None:
                raise RuntimeError("a director failed") from director.failure
        outcome = _judge(plan, chronicle, members, cloud, started)
    return Finished(outcome, chronicle, members, log)


def _kinds(plan: Plan) -> list[Kind]:
    asked = plan.only + plan.also
    wanted = [kind for kind in KINDS if kind.name in asked or not (plan.only or kind.asked)]
    return [kind for kind in wanted if kind.name not in plan.without]


def _judge(plan: Plan, chronicle: Chronicle, members: list[Member], cloud: Cloud, started: float) -> Outcome:
    events, seconds = list(cloud.events), time.monotonic() - started
    return judge(plan.seed, chronicle, members, events, stations(members), seconds)


def _drain(plan: Plan, chronicle: Chronicle, look: Callable[[], Outcome]) -> None:
    """Wait for the last tickets; and a while longer where one that is settled is not yet what its order became."""
    chronicle.wait_for(lambda: chronicle.owed() == 0 and not chronicle.untold(), plan.patience_s)
    chronicle.close()
    until = chronicle.now() + LAST_CHANGES_S
    while chronicle.now() < until and not look().fine:
        time.sleep(2)


def _stop(agent: AgentProcess) -> None:
    try:
        agent.stop()
    except subprocess.TimeoutExpired:
        agent.kill()


def _tell(chronicle: Chronicle, customers: Customers, say: Callable[[str], None]) -> None:
    standing = [
        name for name, desk in chronicle.desks.items() if desk.still_since and _long(chronicle, desk.still_since)
    ]
    say(
        f"{chronicle.now():6.0f} s: {customers.tickets} tickets ordered, {chronicle.owed()} owed, "
        f"{len(chronicle.incidents)} mishaps, standing still: {' '.join(standing) or 'none'}"
    )


def _long(chronicle: Chronicle, since: float) -> bool:
    return chronicle.now() - since > TELL_EACH_S
