"""The printers of a campaign: of every tier, cable and temper, each with a station of its own."""

import random
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import msgspec

from agent.simulator.machine import Machine
from agent.simulator.ports import PtyPort, TcpPort, serve_pty, serve_tcp
from agent.simulator.printer import PrinterSpec, VirtualPrinter
from agent.simulator.pump import Port
from agent.simulator.share import Stations

CABLES: dict[str, tuple[str, ...]] = {"tcp": ("tcp",), "pty": ("pty",), "mixed": ("tcp", "pty")}
TIERS = (1, 2, 1, 3, 2, 1)
BAUDS = {1920.0: 19200, 11520.0: 115200}

Serve = Callable[[str, Machine], Port]
"""Plugs a printer into a cable of this name; `link` says what the agent shall open. The caller closes it."""


class Member(msgspec.Struct, frozen=True):
    """One printer of the fleet, at its station of the same name. `guests` are others that were met at its address."""

    name: str
    cable: str
    device: VirtualPrinter
    port: Port
    guests: list[VirtualPrinter] = []

    @property
    def tier(self) -> int:
        """What it can prove."""
        return self.device.spec.tier

    @property
    def link(self) -> str:
        """As the agent's configuration says it."""
        baud = BAUDS.get(self.device.spec.bytes_per_s or 0.0)
        return f"{self.port.link}?baud={baud}" if self.cable == "pty" and baud else self.port.link

    @property
    def kind(self) -> str:
        """What it is counted as."""
        return f"T{self.tier} {self.cable}"

    @contextmanager
    def guest(self) -> Iterator[VirtualPrinter]:
        """Another printer of the same make answers at this one's address, which must be unplugged."""
        spec = msgspec.structs.replace(self.device.spec, serial=f"GUEST{len(self.guests):03}")
        device = VirtualPrinter(spec, f"{self.name}-guest{len(self.guests)}")
        self.guests.append(device)
        with device, take_address(self.port, device):
            yield device

    def __str__(self) -> str:
        plain = msgspec.to_builtins(PrinterSpec())
        told = msgspec.to_builtins(self.device.spec)
        odd = ", ".join(f"{name}={value}" for name, value in told.items() if value != plain[name] or name == "tier")
        return f"{self.name} on {self.cable} ({odd})"


def serve(cable: str, printer: Machine) -> Port:
    """Plug a printer in, on this machine."""
    return serve_tcp(printer) if cable == "tcp" else serve_pty(printer)


@contextmanager
def take_address(port: Port, guest: Machine) -> Iterator[None]:
    """Plug `guest` in where `port` is, which is unreachable now."""
    if isinstance(port, TcpPort):
        with serve_tcp(guest, port=port.port):
            yield
    elif isinstance(port, PtyPort):
        with serve_pty(guest) as other:
            Path(port.path).symlink_to(other.path)
            yield
            Path(port.path).unlink(missing_ok=True)
    else:
        raise TypeError(f"nobody else can answer at {port.link}")


@contextmanager
def fleet(count: int, cable: str, tiers: tuple[int, ...], seed: int, plug: Serve = serve) -> Iterator[list[Member]]:
    """So many printers, plugged in."""
    cables = CABLES.get(cable, (cable,))
    kept = [tier for tier in TIERS if tier in tiers]
    with ExitStack() as stack:
        members = []
        for at in range(count):
            name, on = f"s{at + 1:02}", cables[at % len(cables)]
            chance = random.Random(f"{seed}-{name}")
            spec = temper(kept[at // len(cables) % len(kept)], on, chance)
            device = stack.enter_context(VirtualPrinter(spec, name))
            members.append(Member(name, on, device, stack.enter_context(plug(on, device)), []))
        yield members


def temper(tier: int, cable: str, chance: random.Random) -> PrinterSpec:
    """A printer as the field has them: none answers everything, each at its own pace.

    None that never answers cuts when its cover is closed: nobody could know, and what it does to a ticket in two pieces
    would hide what else is doubled.
    """
    counters = tier == 1 and chance.random() < 0.75
    return PrinterSpec(
        tier=tier,
        realtime=chance.random() < 0.85,
        asb=chance.random() < 0.7,
        counters=counters,
        counters_lag=counters and chance.random() < 0.5,
        reserve_replies=chance.random() < 0.6,
        clear_buffer=chance.random() < 0.5,
        width_dots=chance.choice((576, 576, 384)),
        knife_dots=chance.choice((0, 0, 100)),
        buffer_bytes=chance.choice((65536, 4096, 512)),
        margin_bytes=chance.choice((4096, 256, 0)),
        bytes_per_s=chance.choice(tuple(BAUDS)) if cable == "pty" else None,
        line_time_s=chance.uniform(0.004, 0.02),
        cuts_on_cover_close=tier < 3 and chance.random() < 0.25,
        serial=f"VP{chance.randrange(10**6):06}",
    )


def stations(members: list[Member]) -> Stations:
    """Who makes what: each station claims the category of its own name."""
    return Stations(members[0].name, category={member.name: member.name for member in members})


def config(members: list[Member], folder: str, broker_port: int, backups: bool) -> str:
    """The agent's settings, as an installer would write them. With `backups` each printer stands in for the one before
    it.
    """
    printers = "\n".join(f'  - {{name: {m.name}, link: "{m.link}", width: {m.device.spec.cells}}}' for m in members)
    claims = "\n".join(
        f"  - {{name: {m.name}, printer: {m.name}, default: {'no' if at else 'yes'}, match: {{category: [{m.name}]}}"
        + (f", backup: {members[(at + 1) % len(members)].name}" if backups and len(members) > 1 else "")
        + "}"
        for at, m in enumerate(members)
    )
    return (
        f"shop: s421\ndata_dir: {folder}/data\nbroker: {{url: 'mqtt://127.0.0.1:{broker_port}'}}\n"
        f"printers:\n{printers}\nstations:\n{claims}\n"
    )
