"""What one seed is about: which shop, which printers, how many orders, and what goes wrong when."""

import random
from collections.abc import Sequence
from typing import Any, Literal

import msgspec

from agent.checkpoint import NAMES, RELEASING
from agent.config import Broker, Config, Intake, Printer, Printing, Report
from agent.model.link import parse_link
from agent.model.station import Match, Station
from agent.simulator.menu import DRINKS
from agent.simulator.printer import PrinterSpec
from agent.simulator.share import Stations

BREATH, DISK = "anywhere", "disk"
KITCHEN, BAR = "kitchen", "bar"
HOMES = {"wok": KITCHEN, "drinks": BAR}
STATIONS = Stations("wok", category=dict.fromkeys(DRINKS, "drinks"))


class Crash(msgspec.Struct, frozen=True):
    """The agent ends when it passes `point` for the `count`-th time since it started; `power`: the whole box does.

    A point is a checkpoint's name, `anywhere` (where it could be interrupted), or `disk` (a write to the disk).
    """

    point: str
    count: int
    power: bool
    down_s: float


class Trouble(msgspec.Struct, frozen=True):
    """At `at` seconds `what` befalls `where` (a printer, or nothing), for `for_s` seconds."""

    at: float
    what: str
    where: str
    for_s: float
    number: int


class Plan(msgspec.Struct, frozen=True):
    """All that is decided before the first order comes."""

    seed: int
    events: int
    span_s: float
    unruly: float
    trusting: bool
    restless: float
    latency_s: float
    backup: bool
    attentive: bool
    unconfirmed: Literal["reprint", "ask"]
    lead_min: int
    serial: bool
    holds: int
    specs: dict[str, PrinterSpec]
    confirm: dict[str, str]
    crashes: list[Crash]
    troubles: list[Trouble]
    copies: dict[str, int] = {}
    """Of the stations that get more than one of each ticket."""

    @property
    def stations(self) -> Stations:
        """Who makes what, and gets how many tickets."""
        return msgspec.structs.replace(STATIONS, copies=self.copies)


ANYWHERE = ("kick", "down", "forget", "deaf", "take_over", "restart", "full", "eio", "read_only", "copy", "pause")
AT_A_PRINTER = (
    *("paper", "paper", "cover", "jam", "power", "power", "cut", "cut", "refuse", "stall", "mute", "swallow"),
    *("lose", "garble", "delay", "double", "babble", "offline", "dark", "till", "till", "crackle", "gulp"),
)


_DUMB = ("stall", "mute", "swallow", "lose", "garble", "delay", "dark", "babble", "crackle")
"""A printer that is dumb when it is met first is believed to be, unless the configuration says what it can prove."""
_CONFIRMS = {1: "process_id", 2: "status", 3: "none"}
MET_S = 90.0


def draw(seed: int) -> Plan:
    """The plan of this seed."""
    dice = random.Random(f"plan {seed}")
    span_s = dice.uniform(40.0, 240.0)
    calm = dice.random() < 0.1
    tiers = {name: dice.choice((1, 1, 1, 1, 2, 2, 3)) for name in (KITCHEN, BAR)}
    serial, backup = dice.random() < 0.2, dice.random() < 0.3
    crashes = [] if calm else [a_crash(dice) for _ in range(dice.choice((1, 2, 3, 5)))]
    troubles = [] if calm else _troubles(dice, span_s, tiers, clock=not backup)
    told = bool(troubles) and dice.random() < 0.6
    return Plan(
        seed=seed,
        events=dice.randint(8, 24),
        span_s=span_s,
        unruly=dice.choice((0.0, 0.15, 0.3)),
        trusting=dice.random() < 0.7,
        restless=dice.choice((0.0, 0.05, 0.3)),
        latency_s=dice.choice((0.002, 0.02, 0.2)),
        backup=backup,
        attentive=dice.random() < 0.5,
        unconfirmed=dice.choice(("reprint", "reprint", "reprint", "ask")),
        lead_min=dice.choice((120, 120, 30)),
        serial=serial,
        holds=dice.choice((256, 4096, 65536)),
        specs={name: _spec(dice, tier, serial) for name, tier in tiers.items()},
        confirm={name: _CONFIRMS[tier] if told or tier == 3 else "auto" for name, tier in tiers.items()},
        crashes=crashes,
        troubles=[each for each in troubles if told or each.at > MET_S or each.what not in _DUMB],
        copies=dice.choice(({}, {"wok": 2}, {"drinks": 2})),
    )


def _spec(dice: random.Random, tier: int, serial: bool) -> PrinterSpec:
    """One that can't be asked for its cover, and cuts when that is closed, can't be found out (decision 9)."""
    realtime = tier == 1 or (tier == 2 and dice.random() < 0.7)
    return PrinterSpec(
        tier=tier,
        realtime=realtime,
        counters=dice.random() < 0.7,
        counters_lag=dice.random() < 0.3,
        reserve_replies=dice.random() < 0.5,
        cuts_on_cover_close=dice.random() < 0.3 and (realtime or tier != 2),
        knife_dots=dice.choice((0, 0, 96)),
        margin_bytes=dice.choice((0, 4096)),
        buffer_bytes=dice.choice((512, 4096, 65536)),
        bytes_per_s=1920 if serial else None,
        line_time_s=dice.choice((0.0, 0.0, 0.02)),
    )


def a_crash(dice: random.Random) -> Crash:
    """Any."""
    chance = dice.random()
    if chance < 0.4:
        point, count = dice.choice(NAMES + RELEASING), dice.randint(1, 8)
    elif chance < 0.7:
        point, count = DISK, dice.randint(1, 200)
    else:
        point, count = BREATH, dice.randint(1, 1500)
    return Crash(point, count, dice.random() < 0.5, dice.choice((0.5, 2.0, 30.0)))


def _troubles(dice: random.Random, span_s: float, tiers: dict[str, int], *, clock: bool) -> list[Trouble]:
    troubles = []
    if clock and dice.random() < 0.15:  # with a backup the paper's own times say which came first
        troubles.append(
            Trouble(dice.uniform(0.0, span_s), "clock", "", dice.choice((5.0, 60.0)), dice.randint(0, 2000))
        )
    talking = [name for name, tier in tiers.items() if tier < 3]
    for _ in range(dice.choice((0, 1, 2, 4, 7))):
        troubles.append(a_trouble(dice, span_s, talking, dice.choice((0.5, 5.0, 30.0, 60.0))))
    return sorted(troubles, key=lambda trouble: trouble.at)


def a_trouble(dice: random.Random, within_s: float, printers: Sequence[str], for_s: float) -> Trouble:
    """Any; `printers` are those that notice: to one that never answers things may happen that nobody can find out."""
    where = dice.choice(printers) if printers and dice.random() < 0.75 else ""
    what = dice.choice(AT_A_PRINTER if where else ANYWHERE)
    at = dice.uniform(0.0, within_s) if what != "crackle" else 0.0  # a line that does so always did
    return Trouble(at, what, where, for_s, dice.randint(0, 2000))


def config_of(plan: Plan) -> Config:
    """The agent's configuration, but for its folder."""
    other = {KITCHEN: BAR, BAR: KITCHEN} if plan.backup else {}
    copies = {"wok": 1, "drinks": 1, **plan.copies}
    printers: list[Any] = [
        Printer(name=name, link=parse_link(f"tcp://10.0.0.{at}:9100"), confirm=plan.confirm[name])  # type: ignore[arg-type]  # a word of a table
        for at, name in enumerate((KITCHEN, BAR), 1)
    ]
    return Config(
        shop="s421",
        broker=Broker(url="mqtt://broker.example", protocol="5", keepalive_s=30, session_expiry_s=604_800),
        printers=printers,
        stations=[
            Station(name="wok", printer=KITCHEN, backup=other.get(KITCHEN), default=True, copies=copies["wok"]),
            Station(
                name="drinks",
                printer=BAR,
                backup=other.get(BAR),
                match=Match(category=list(DRINKS)),
                copies=copies["drinks"],
            ),
        ],
        timezone="Asia/Shanghai",
        printing=Printing(unconfirmed=plan.unconfirmed),
        report=Report(beat_s=20),
        intake=Intake(lead_min=plan.lead_min, flood_per_customer_min=0),
    )
