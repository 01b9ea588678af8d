"""Hears every box's retained status and its beats, and says at any time how the fleet is."""

import threading
from typing import Self

from agent.broker.listener import Listener
from agent.clock import Clock, stamp
from agent.config import Broker
from agent.fleet.look import Line, Look, summary
from agent.fleet.view import BEAT_S, SLOW_S, BoxId, Fleet
from agent.model.preset import preset_of

KINDS = ("state", "beat")
CONNECTING = "connecting"


class Watch:
    """A fleet and the line that it is heard on."""

    def __init__(
        self,
        settings: Broker,
        clock: Clock,
        prefix: str = "shops",
        beat_s: float = BEAT_S,
        slow_s: float = SLOW_S,
        expected: frozenset[str] = frozenset(),
    ) -> None:
        self._clock = clock
        self._prefix = f"{prefix}/"
        self._broker = f"{settings.address.host}:{settings.address.port}"
        self._lock = threading.Lock()
        self._fleet = Fleet(clock.monotonic(), beat_s, slow_s, expected, preset_of(settings.preset).retains)
        self._up, self._why, self._since = False, CONNECTING, clock.monotonic()
        self._messages = 0
        filters = tuple(f"{prefix}/+/up/+/{kind}" for kind in KINDS)
        self._listener = Listener(settings, clock, filters, self._heard, self._turned)

    def look(self) -> Look:
        """How the fleet is now."""
        self._listener.tend()
        now = self._clock.monotonic()
        with self._lock:
            line = Line(self._broker, self._up, now - self._since, self._why)
            boxes = self._fleet.rows(now)
            messages, refused = self._messages, self._fleet.refused
        return Look(stamp(self._clock.utc()), line, summary(boxes), boxes, messages, refused)

    def settled(self) -> bool:
        """Is nothing more to be learned by waiting?"""
        self._listener.tend()
        with self._lock:
            return self._up and self._fleet.settled(self._clock.monotonic())

    def __enter__(self) -> Self:
        self._listener.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.stop()

    # -- on the network thread -----------------------------------------------------------------------------------

    def _turned(self, up: bool, why: str) -> None:
        now = self._clock.monotonic()
        with self._lock:
            if up:
                self._fleet.hearing(now)
            if up is not self._up:
                self._since = now
            self._up, self._why = up, why

    def _heard(self, topic: str, payload: bytes, retained: bool) -> None:
        shop, _, rest = topic.removeprefix(self._prefix).partition("/")
        _, _, rest = rest.partition("/")
        agent, _, kind = rest.partition("/")
        now = self._clock.monotonic()
        with self._lock:
            self._messages += 1
            if kind == "state":
                self._fleet.heard_status(BoxId(shop, agent), payload, retained, now)
            elif kind == "beat":
                self._fleet.heard_beat(BoxId(shop, agent), payload, retained, now, self._clock.utc())
