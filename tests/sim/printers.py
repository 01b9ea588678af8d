"""The virtual printers on virtual cables: bytes wait on this side, travel, arrive; and a cable breaks."""

from collections.abc import Callable

from agent.errors import LinkBroken, Unavailable
from agent.model.printer import Identity, Need
from agent.simulator.printer import VirtualPrinter
from tests.sim.baton import Baton, Task

LATENCY_S = 0.002


class Cable:
    """One printer and its cable: TCP, or a serial line, which stays when the printer loses its power. It is the
    `Connector` of every agent's life, one after the other.
    """

    def __init__(self, baton: Baton, name: str, device: VirtualPrinter, *, serial: bool, holds: int) -> None:
        self.baton, self.name, self.device = baton, name, device
        self.notices_power_cycle = not serial
        self.bytes_per_s = 1920.0 if serial else 100_000.0
        self.rate = device.spec.bytes_per_s
        self.holds = holds
        """Bytes that wait at most on this side of the cable."""
        self.link: SimLink | None = None
        device.on_attention(self._attend)

    def forget(self) -> None:
        """See `Connector.forget`: nothing is remembered."""

    def open(self) -> "SimLink":
        """See `Connector.open`."""
        self.baton.breathe()
        self.baton.park(LATENCY_S)
        if not self.device.reachable and self.notices_power_cycle:
            self.baton.park(self.baton.dice.choice((0.01, 0.01, 3.0)))
            raise Unavailable("nobody answers there")
        if self.link is not None:
            self.link.drop(reset=True)
        self.link = link = SimLink(self)
        with self.baton.as_world():
            self.device.attach(link)
        return link

    def leave(self, *, power: bool) -> None:
        """The agent's process is no more. What was on its way arrives, unless the box itself lost its `power`."""
        if (link := self.link) is not None:
            link.orphan(keeps=not power and self.baton.dice.random() < 0.7)

    def _attend(self) -> None:
        if self.link is not None:
            if not self.device.reachable and self.notices_power_cycle:
                self.link.drop(reset=True)
            self.link.pump()


class SimLink:
    """An open way to a virtual printer; the agent's side is `Link`, the printer's is `Host`."""

    def __init__(self, cable: Cable) -> None:
        self._cable, self._baton = cable, cable.baton
        self.identity = Identity(port=f"02:00:00:00:00:{len(cable.name):02x}", device="")
        self._out, self._in = bytearray(), bytearray()
        self._waiting: list[Task] = []
        self._broken = self._closed = self._pumping = self._orphaned = False

    # -- for the agent -------------------------------------------------------------------------------------------

    def write(self, data: bytes, timeout_s: float) -> int:
        """See `Link.write`."""
        self._baton.breathe()
        self._check()
        if not self._room() and not self._wait(self._room, timeout_s):
            return 0
        taken = data[: self._room()]
        self._out += taken
        self.pump()
        return len(taken)

    def read(self, max_bytes: int, timeout_s: float) -> bytes:
        """See `Link.read`."""
        self._baton.breathe()
        if not self._in:
            self._check()
            if timeout_s <= 0 or not self._wait(lambda: len(self._in), timeout_s):
                return b""
        data = bytes(self._in[:max_bytes])
        del self._in[:max_bytes]
        return data

    def unsent(self) -> int:
        """See `Link.unsent`."""
        self._check()
        return len(self._out)

    def needs(self) -> frozenset[Need]:
        """See `Link.needs`: this cable says nothing."""
        self._check()
        return frozenset()

    def close(self) -> None:
        """See `Link.close`."""
        if self._baton.current is None or not self._baton.current.doomed:
            self.orphan(keeps=self._baton.dice.random() < 0.7)

    # -- for the printer -----------------------------------------------------------------------------------------

    def send(self, data: bytes) -> bool:
        """An answer on its way; it is lost if the cable breaks meanwhile."""
        if self._broken or self._orphaned:
            return False
        self._baton.note(self._cable.name, data)
        self._baton.at(LATENCY_S, lambda: self._hear(data))
        return True

    def drop(self, reset: bool) -> None:
        """The connection is no more; `reset`: what was not read is lost too."""
        self._broken = True
        self._out.clear()
        if reset:
            self._in.clear()
        self._detach()
        self._wake()

    # -- the cable -----------------------------------------------------------------------------------------------

    def orphan(self, keeps: bool) -> None:
        """Nobody holds the agent's end any more."""
        self._closed = True
        if not keeps:
            self._out.clear()
        if self._out and not self._broken:
            self._orphaned = True
            self._baton.at(30.0, self._detach)
        else:
            self._detach()

    def pump(self) -> None:
        """Let the printer have what waits, as fast as the cable and it allow."""
        if self._out and not self._pumping and not self._broken:
            self._pumping = True
            self._baton.at(LATENCY_S, self._move)

    def _move(self) -> None:
        self._pumping = False
        cable = self._cable
        room = 0 if self._broken or cable.link is not self else min(cable.device.appetite(), 4096)
        if not room or not self._out:
            return
        data = bytes(self._out[:room])
        del self._out[:room]
        self._baton.note(cable.name, data)
        self._wake()
        cable.device.receive(data)
        if self._out and not self._broken:
            self._pumping = True
            self._baton.at(len(data) / cable.rate if cable.rate else LATENCY_S, self._move)

    def _hear(self, data: bytes) -> None:
        if not self._broken and not self._closed:
            self._in += data
            self._wake()

    def _room(self) -> int:
        return max(0, self._cable.holds - len(self._out))

    def _wait(self, ready: Callable[[], int], timeout_s: float) -> bool:
        ends_at = self._baton.now + timeout_s
        while not ready():
            self._waiting.append(self._baton.me())
            self._baton.park(ends_at - self._baton.now)
            self._waiting.clear()
            if not ready():
                self._check()
            if self._baton.now >= ends_at:
                break
        return bool(ready())

    def _wake(self) -> None:
        for task in self._waiting:
            self._baton.wake(task)

    def _check(self) -> None:
        self._baton.live()
        if self._broken or self._closed:
            raise LinkBroken("the cable broke")

    def _detach(self) -> None:
        self._orphaned = False
        if self._cable.link is self:
            self._cable.link = None
        with self._baton.as_world():
            self._cable.device.detach(self)
