"""The line to the cloud, and who talks over it. Without a broker in the configuration there is neither."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any, Literal

from agent import log
from agent.broker.mqtt import Line
from agent.broker.topics import topics
from agent.broker.word import Will
from agent.clock import Clock, stamp
from agent.config import Config
from agent.errors import ConfigError
from agent.intake.consumer import Consumer
from agent.intake.keyfile import load_keyring
from agent.intake.signature import NO_KEYS, Keyring
from agent.journal.store import Journal
from agent.model.wire import Delivery
from agent.overview.state import LineNow
from agent.report.envelope import new_identity, state_payload
from agent.report.publisher import Publisher
from agent.service import Service

_log = log.get("app")


class Cloud:
    """`seen` tells how each printer is, by its name. `keys_wrong` says why the line is kept shut."""

    def __init__(self, config: Config, journal: Journal, clock: Clock, seen: Callable[[], dict[str, Any]]) -> None:
        self._config, self._clock = config, clock
        self.topics = topics(config.prefix, config.shop, config.agent)
        self._identity = new_identity(config.shop, config.agent)
        self.publisher = Publisher(journal, self.topics, self._identity, clock, config.report.beat_s, seen)
        self.keys_wrong = ""
        self.keyring = self._load_keyring()
        self.line: Line | None = None

    def connect(self, consumer: Consumer) -> None:
        """What comes over the line goes to `consumer`. Nothing is started."""
        mapped = [mapping.topic for mapping in self._config.mappings]
        ours = (self.topics.order, self.topics.replay, self.topics.command, *mapped)

        def receive(delivery: Delivery) -> None:
            if delivery.topic == self.topics.replay:
                self.publisher.answered()
            if delivery.topic in ours:
                consumer.receive(delivery)
            else:
                consumer.refuse(delivery, "not a topic that this box subscribes to")

        if self._config.broker is not None:
            will = Will(self.topics.state, state_payload(self._identity, False))
            self.line = Line(self._config.broker, ours, will, self._clock, receive, self.publisher.connected)
            self.publisher.line = self.line

    def services(self) -> list[Service]:
        """What is to be started; nothing without a line, or while it is kept shut."""
        return [] if self.line is None or self.keys_wrong else [self.line, self.publisher]

    def acknowledge(self, delivery: Delivery) -> None:
        """It is on disk."""
        self.publisher.last_heard = stamp(self._clock.utc())
        if self.line is not None:
            self.line.acknowledge(delivery)

    def up(self) -> bool:
        """Is there a line, and does it carry?"""
        return self.line is not None and self.line.up

    def now(self) -> LineNow:
        """How the line is."""
        if self.line is None:
            return LineNow("off")
        session = self.line.session
        state: Literal["up", "down"] = "up" if self.line.up else "down"
        kept = session.present if session is not None else None
        return LineNow(state, kept, self.publisher.last_heard, self.keys_wrong or self.line.why)

    def keys_are_back(self) -> bool:
        """Can the keys be read by now, that could not be read at the start?"""
        if self.keys_wrong:
            with suppress(ConfigError):
                load_keyring(self._config, self.topics)
                return True
        return False

    def _load_keyring(self) -> Keyring:
        """A key that can't be read keeps the line shut, and nothing else: orders wait at the broker, unjudged."""
        try:
            return load_keyring(self._config, self.topics)
        except ConfigError as exc:
            self.keys_wrong = str(exc)
            _log.error("app.line_kept_shut", reason=self.keys_wrong)
            return NO_KEYS
