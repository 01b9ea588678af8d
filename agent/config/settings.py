"""The settings of one shop's agent. `shop` is enough to start, and `broker.url` for the cloud. Nothing here acts on a
setting; what must hold between them is in rules.
"""

from pathlib import Path
from typing import Annotated, Literal

import msgspec

from agent.config.console import Console
from agent.config.line import Broker
from agent.config.notices import Notice
from agent.config.signatures import Signatures
from agent.model.link import Link
from agent.model.station import Station

_WORD = "^[a-z0-9-]+$"
_WRITE_WORD = {"write": "use only the characters a-z, 0-9 and -"}
_Shop = msgspec.Meta(pattern=_WORD, max_length=32, examples=["s421"], extra=_WRITE_WORD)
_Agent = msgspec.Meta(pattern=_WORD, max_length=32, examples=["box1", "box2"], extra=_WRITE_WORD)
_Prefix = msgspec.Meta(
    pattern="^/?[A-Za-z0-9_-]+(/[A-Za-z0-9_-]+)*$",
    max_length=48,
    extra={"write": "use only the characters a-z, 0-9, - and / between two words"},
)
_Topic = msgspec.Meta(
    pattern=r"^[^\s+#]+$",
    max_length=128,
    examples=["shops/s421/dn/meituan"],
    extra={"write": "write one whole topic, without +, # and spaces"},
)
_Hours = msgspec.Meta(
    pattern=r"^([01]\d|2[0-3]):[0-5]\d-([01]\d|2[0-3]):[0-5]\d$",
    examples=['"03:00-05:00"'],
    extra={"write": 'write from when until when, such as "03:00-05:00"'},
)
_Name = msgspec.Meta(
    pattern=r"^[\w.-]+$",
    max_length=32,
    examples=["kitchen"],
    extra={"write": "use letters, digits, ., - and _, without spaces"},
)


class Printer(msgspec.Struct, frozen=True, kw_only=True):
    """A printer of the shop. `width` is in cells (Chinese characters take two), `dots` is the paper's. `charset` is
    what its own font has: with ascii all Chinese is drawn.

    `profile` names its family: what its buzzer, its drawer and its knife understand. `beep` sounds the buzzer with each
    ticket. `drawer` opens the cash drawer with each order, and only a printer with the role `counter` may do that.
    """

    name: Annotated[str, _Name]
    link: Annotated[Link, msgspec.Meta(examples=["tcp://192.168.1.50:9100"])]
    width: Annotated[int, msgspec.Meta(ge=16, le=96)] = 48
    dots: Annotated[int, msgspec.Meta(ge=96, le=2400)] = 0
    charset: Literal["gbk", "gb2312", "ascii"] = "gbk"
    confirm: Literal["auto", "process_id", "status", "none"] = "auto"
    connect_timeout_s: Annotated[float, msgspec.Meta(ge=0.1, le=60)] = 5.0
    profile: Literal["generic", "epson", "xprinter", "gprinter", "hprt", "rongta", "star"] = "generic"
    role: Literal["kitchen", "counter"] = "kitchen"
    beep: bool = False
    drawer: bool = False

    def __post_init__(self) -> None:
        if not self.dots:
            msgspec.structs.force_setattr(self, "dots", 12 * self.width)


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """How much is kept. Counted, not dated: a box without a clock battery may believe in any year."""

    keep_orders: Annotated[int, msgspec.Meta(ge=1000, le=1_000_000)] = 20_000


class Printing(msgspec.Struct, frozen=True, kw_only=True):
    """What becomes of tickets in doubt, and when another printer stands in.

    `unconfirmed`: a ticket of which nobody knows whether it was printed is printed again, marked, `reprint_after_s`
    after the doubt arose; or the staff is asked, and nothing is printed until they say. A printer that is away or needs
    a person for `failover_after_s` is stood in for by its stations' backup. `ready_code`: kitchen tickets bear a
    barcode; who scans it says that the dish is ready.
    """

    unconfirmed: Literal["reprint", "ask"] = "reprint"
    ready_code: bool = False
    reprint_after_s: Annotated[float, msgspec.Meta(ge=0, le=3600)] = 20
    failover_after_s: Annotated[float, msgspec.Meta(ge=1, le=3600)] = 15


class Intake(msgspec.Struct, frozen=True, kw_only=True):
    """When an accepted order is printed at once, and when it waits.

    `gap_hold_s`: how long what follows a gap in the cloud's counting waits for what is missing. An order that is older
    than `max_age_min` when it comes waits for a person (`old: ask`), or is printed with a banner (`old: print`). So
    many orders a minute are printed of one customer, and in all; 0 is no limit. `lead_min`: so long before it is due an
    order is printed that was placed in advance. `daily_numbers` are channels whose orders are numbered 1, 2, 3 each
    day. `clock`: `trust` the machine's clock even where nothing sets it.
    """

    gap_hold_s: Annotated[float, msgspec.Meta(ge=0, le=30)] = 2
    max_age_min: Annotated[int, msgspec.Meta(ge=1, le=10_080)] = 15
    old: Literal["ask", "print"] = "ask"
    flood_per_customer_min: Annotated[int, msgspec.Meta(ge=0, le=10_000)] = 10
    flood_total_min: Annotated[int, msgspec.Meta(ge=0, le=100_000)] = 0
    lead_min: Annotated[int, msgspec.Meta(ge=0, le=1440)] = 30
    daily_numbers: list[str] = []
    clock: Literal["auto", "trust"] = "auto"


class MappedTopic(msgspec.Struct, frozen=True, kw_only=True):
    """A topic on which a platform's own JSON comes. Either `name`, a mapping that we ship, or `file`, one of your own.
    `channel` stands in for the mapping's: two sites of one platform are two channels. `unsigned`: what comes there is
    taken without a signature, also where `signatures` are required.
    """

    topic: Annotated[str, _Topic]
    name: Literal["eleme", "flat", "meituan", "shopify", "square", "toast", "woocommerce"] | None = None
    file: Path | None = None
    channel: Annotated[str, msgspec.Meta(max_length=100)] = ""
    unsigned: bool = False


CommandName = Literal[
    "settle",
    "release",
    "drop",
    "reprint",
    "move",
    "test",
    "pause",
    "resume",
    "reload",
    "ready",
    "recall",
    "bundle",
    "dismiss",
]


def _most_commands() -> list[CommandName]:
    return ["settle", "release", "drop", "reprint", "move", "test", "pause", "resume", "reload", "dismiss"]


class Commands(msgspec.Struct, frozen=True, kw_only=True):
    """Which commands the cloud may give; whoever stands at the box may give each."""

    allow: list[CommandName] = msgspec.field(default_factory=_most_commands)


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What the cloud is told, and how often."""

    beat_s: Annotated[int, msgspec.Meta(ge=5, le=3600)] = 60


class Updates(msgspec.Struct, frozen=True, kw_only=True):
    """Whether the box brings itself up to date, and when, in the shop's time: not while it sells."""

    automatic: bool = True
    hours: Annotated[str, _Hours] = "03:00-05:00"


class Config(msgspec.Struct, frozen=True, kw_only=True):
    """All settings. `timezone` is an IANA name; empty means the machine's own.

    `templates` is the folder of the shop's own ticket templates and pictures; where it is not written it is the folder
    `templates` beside this file, if there is one. Without `broker` no cloud is configured: orders come from the shop's
    own network alone.
    """

    shop: Annotated[str, _Shop]
    agent: Annotated[str, _Agent] = "box1"
    prefix: Annotated[str, _Prefix] = "shops"
    data_dir: Path = Path("/var/lib/shop-agent")
    broker: Broker | None = None
    printers: list[Printer] = []
    stations: list[Station] = []
    console: Console | Literal["off"] = "off"
    language: Literal["zh", "en", "both"] = "both"
    timezone: str = ""
    limits: Limits = Limits()
    printing: Printing = Printing()
    report: Report = Report()
    commands: Commands = Commands()
    intake: Intake = Intake()
    templates: Path | None = None
    mappings: list[MappedTopic] = []
    signatures: Signatures | None = None
    notices: list[Notice] = []
    updates: Updates = Updates()

    def __post_init__(self) -> None:
        if self.broker is not None and not self.broker.client_id:
            broker = msgspec.structs.replace(self.broker, client_id=f"{self.shop}-{self.agent}")
            msgspec.structs.force_setattr(self, "broker", broker)

    def effective_stations(self) -> list[Station]:
        """The stations as they work: exactly one is the default, and there is at least one."""
        if not self.stations:
            printer = self.printers[0].name if self.printers else None
            return [Station(name="kitchen", printer=printer, default=True)]
        if any(station.default for station in self.stations):
            return list(self.stations)
        first = next((station for station in self.stations if station.shows == "own"), self.stations[0])
        return [msgspec.structs.replace(station, default=station is first) for station in self.stations]

    def printer(self, name: str) -> Printer:
        """The printer of that name. Raises KeyError."""
        return {printer.name: printer for printer in self.printers}[name]
