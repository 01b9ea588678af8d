"""Who listens at port 9100 in the shop's own networks. Asked of each: connect, and one real-time status request.

Nothing else goes out: a name (GS I) would be asked within the printer's data, perhaps in the middle of what another
program prints, and a printer that does not know the question would print it.
"""

import errno
import ipaddress
import re
import selectors
import socket
import time
from collections import deque
from collections.abc import Callable, Iterable
from pathlib import Path

import msgspec

from agent.model.link import TCP_PORT

STATUS_REQUEST = b"\x10\x04\x01"
AT_ONCE = 64
PATIENCE_S = 0.4
"""For the connection, and again for the answer: a printer in the same building needs some milliseconds."""

_LONGEST_ANSWER = 5
"""One byte, perhaps behind the four that some printers say unasked; who says more is no printer."""

LONGEST_PREFIX = 22
MOST_ADDRESSES = 1024
ROUTES = Path("/proc/self/net/route")
"""Not /proc/net/route: a service that sees only its own processes in /proc sees this one still."""

_PRIVATE = [ipaddress.IPv4Network(each) for each in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")]
_NOT_THE_SHOPS = re.compile(r"lo$|docker|br-|veth|virbr|lxc|cni|flannel|tun|tap|wg|tailscale|zt|ppp")
_GATEWAY, _MASK, _UP = 2, 7, 0x1

Progress = Callable[[int, int], None]
"""Told how many addresses are done, and of how many."""


def quiet(_done: int, _total: int) -> None:
    """Progress that nobody looks at."""


class Own(msgspec.Struct, frozen=True):
    """A network that this machine is in, as 192.168.1.0/24, and the machine's own address there."""

    network: str
    address: str = ""


class Heard(msgspec.Struct, frozen=True):
    """A machine that listens. `answers`: to a printer's real-time status request."""

    host: str
    answers: bool


def own_networks(routes: Path = ROUTES) -> list[Own]:
    """The private IPv4 networks that this machine is connected to, without those of containers and tunnels."""
    try:
        lines = routes.read_text("ascii", "replace").splitlines()[1:]
    except OSError:
        return []
    found: dict[str, Own] = {}
    for fields in map(str.split, lines):
        if len(fields) <= _MASK or _NOT_THE_SHOPS.match(fields[0]) or int(fields[_GATEWAY], 16):
            continue
        destination, mask = (int.from_bytes(bytes.fromhex(fields[at])[::-1], "big") for at in (1, _MASK))
        network = ipaddress.IPv4Network((destination, mask.bit_count()))
        if int(fields[3], 16) & _UP and any(network.subnet_of(private) for private in _PRIVATE):
            found.setdefault(str(network), Own(str(network), _own_address(network)))
    return list(found.values())


def _own_address(network: ipaddress.IPv4Network) -> str:
    """What this machine would send from; nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as line:
        try:
            line.connect((str(network[min(1, network.num_addresses - 1)]), 9))
        except OSError:
            return ""
        return str(line.getsockname()[0])


def addresses(networks: Iterable[Own]) -> tuple[list[str], list[str]]:
    """The addresses to be asked, without the machine's own, and in words what was left out.

    Of a network of more than 1,022 addresses only the part around the machine's own is asked, and of all networks
    1,024 addresses.
    """
    hosts: dict[str, None] = {}
    said = []
    own = {each.address for each in networks}
    for each in networks:
        network = ipaddress.IPv4Network(each.network, strict=False)
        if network.prefixlen < LONGEST_PREFIX:
            around = ipaddress.IPv4Network((each.address or network[1], LONGEST_PREFIX), strict=False)
            said.append(f"网段 {network} 太大，只找了 {around} of the network {network} only {around} was searched")
            network = around
        room = MOST_ADDRESSES - len(hosts)
        wanted = [host for host in map(str, network.hosts()) if host not in own and host not in hosts]
        if len(wanted) > room:
            said.append(f"地址太多，{network} 没有找完 too many addresses: not all of {network} was searched")
        hosts |= dict.fromkeys(wanted[:room])
    return list(hosts), said


def sweep(
    hosts: Iterable[str],
    progress: Progress = quiet,
    stopping: Callable[[], bool] = lambda: False,
    port: int = TCP_PORT,
) -> list[Heard]:
    """Ask each address, 64 at a time; those that listen, in the order of their addresses. Blocks for some seconds.

    `stopping` is looked at between answers: true ends it with what was found until then.
    """
    waiting = deque(hosts)
    total, done = len(waiting), 0
    found: list[Heard] = []
    with selectors.DefaultSelector() as selector:
        calls: dict[int, _Call] = {}
        try:
            while (waiting or calls) and not stopping():
                while waiting and len(calls) < AT_ONCE:
                    call = _Call(waiting.popleft(), port)
                    calls[call.line.fileno()] = call
                    selector.register(call.line, selectors.EVENT_WRITE)
                ready = {key.fd for key, _ in selector.select(PATIENCE_S / 8)}
                for descriptor, call in list(calls.items()):
                    if call.step(descriptor in ready):
                        if call.asked:
                            selector.modify(call.line, selectors.EVENT_READ)
                        continue
                    selector.unregister(call.line)
                    calls.pop(descriptor).line.close()
                    done += 1
                    if call.asked:
                        found.append(Heard(call.host, call.answers))
                    progress(done, total)
        finally:
            for call in calls.values():
                call.line.close()
    return sorted(found, key=lambda each: ipaddress.IPv4Address(each.host))


class _Call:
    """One address: connecting, then `asked`, and perhaps it `answers`."""

    def __init__(self, host: str, port: int) -> None:
        self.host = host
        self.asked = self.answers = False
        self.line = socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        self._ends_at = time.monotonic() + PATIENCE_S
        error = self.line.connect_ex((host, port))
        self._refused = error not in (0, errno.EINPROGRESS)

    def step(self, ready: bool) -> bool:
        """Go on; false when there is no more to come."""
        if self._refused or time.monotonic() > self._ends_at:
            return False
        if ready:
            try:
                return self._hear() if self.asked else self._ask()
            except OSError:
                return False
        return True

    def _ask(self) -> bool:
        if self.line.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            return False
        self.asked = True
        self._ends_at = time.monotonic() + PATIENCE_S
        self.line.send(STATUS_REQUEST)
        return True

    def _hear(self) -> bool:
        said = self.line.recv(256)
        self.answers = 0 < len(said) <= _LONGEST_ANSWER and said[-1] & 0x93 == 0x12
        return bool(said) and not self.answers
