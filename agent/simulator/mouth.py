"""How answers leave the printer: at once, late, twice, garbled, not at all, or at the next connection."""

import heapq
from collections.abc import Callable
from typing import Protocol

from agent.simulator.faults import Reply, ReplyFaults


class Host(Protocol):
    """Whoever is connected; a port implements it. Both are called with the printer's lock held and never block."""

    def send(self, data: bytes) -> bool:
        """Hand over an answer; False when it could not be."""

    def drop(self, reset: bool) -> None:
        """End the connection, by RST where `reset`."""


class Mouth:
    """Sends answers to the host, through the troubles in force. Keeps process IDs for a host that is gone."""

    def __init__(self, talks: bool, reserves: bool, now: Callable[[], float]) -> None:
        self.faults = ReplyFaults()
        self.mute = False
        self.host: Host | None = None
        self.said: list[tuple[Reply, bytes]] = []
        self._talks, self._reserves, self._now = talks, reserves, now
        self._reserved: list[bytes] = []
        self._late: list[tuple[float, int, Reply, bytes]] = []
        self._serial = 0

    def say(self, reply: Reply, data: bytes) -> None:
        """Answer, as far as this printer talks and its troubles let it."""
        if not self._talks or self.mute:
            return
        delivery = self.faults.deliver(reply, data)
        for _ in range(delivery.copies):
            if delivery.delay_s > 0:
                self._serial += 1
                heapq.heappush(self._late, (self._now() + delivery.delay_s, self._serial, reply, delivery.data))
            else:
                self._send(reply, delivery.data)

    def babble(self, noise: bytes) -> None:
        """What a bad line makes of silence: it is no answer, and nobody is told that it went out."""
        if self.host is not None:
            self.host.send(noise)

    def attach(self, host: Host) -> None:
        """A host connected: what was reserved for it goes out first."""
        self.host = host
        waiting, self._reserved = self._reserved, []
        for data in waiting:
            self._send(Reply.PROCESS_ID, data)

    def due_s(self) -> float | None:
        """Seconds until a delayed answer is due, or None without one."""
        return max(0.0, self._late[0][0] - self._now()) if self._late else None

    def say_due(self) -> None:
        """Send the delayed answers whose time has come."""
        while self._late and self._late[0][0] <= self._now():
            _, _, reply, data = heapq.heappop(self._late)
            self._send(reply, data)

    def forget(self) -> None:
        """Power was cut: nothing reserved or delayed is left."""
        self._reserved, self._late = [], []

    def _send(self, reply: Reply, data: bytes) -> None:
        # Noted first: a host that has read the answer finds it in `said`.
        self.said.append((reply, data))
        if self.host is not None and self.host.send(data):
            return
        self.said.pop()
        if reply is Reply.PROCESS_ID and self._reserves:
            self._reserved.append(data)
