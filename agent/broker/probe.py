"""A visit to the broker, to see whether it lets us in, read and write: for whoever looks for a fault.

It comes under another client id than the agent's, so that nobody is kicked out. Some brokers name a client after its
user whatever it says: then this is the agent's own session, and orders wait in it. So the visit never starts clean,
acknowledges nothing, and takes its session away only where there was none before.
"""

import contextlib
import secrets
import time
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions

from agent.broker.presets import alpn, password
from agent.broker.trust import load_trust, tls_context
from agent.config import Broker

PROTOCOLS = {"5": mqtt.MQTTv5, "3.1.1": mqtt.MQTTv311}
KEEPALIVE_S = 15
TURN_S = 0.1


class Visit(msgspec.Struct):
    """What came of it. `code` is the broker's word on our CONNECT, None without one. `unread` are the topics that we
    may not read, with its reason; `unwritten` is why we may not write, "" where we may, or where it does not say.
    """

    code: int | None = None
    reason: str = ""
    unread: dict[str, str] = {}
    subscribed: bool = False
    unwritten: str = ""
    hung_up: bool = False

    @property
    def let_in(self) -> bool:
        """Did it take us?"""
        return self.code == 0


def visit(settings: Broker, secret: str | None, reads: Sequence[str], writes: str, limit_s: float) -> Visit:
    """Go there, ask to read the topics, publish an empty message to `writes`, and leave. Blocks for `limit_s` at most.

    Raises:
        OSError: it can't be reached; ssl.SSLError where it is TLS that fails.
    """
    guest = _Guest(settings, secret, limit_s)
    try:
        guest.come()
        if guest.found.let_in:
            guest.read(reads)
            guest.write(writes)
    finally:
        guest.leave()
    return guest.found


class _Guest:
    """One client, turned by hand on the caller's thread."""

    def __init__(self, settings: Broker, secret: str | None, limit_s: float) -> None:
        self.found = Visit()
        self._settings = settings
        self._secret = secret
        self._ends_at = time.monotonic() + limit_s
        self._v5 = settings.protocol == "5"
        self._id = f"{settings.client_id[:40]}-doctor-{secrets.token_hex(4)}"
        self._was_there = True
        self._answered = self._open = False
        self._client = self._build(clean=False)

    def _build(self, *, clean: bool) -> mqtt.Client:
        s = self._settings
        client = mqtt.Client(
            CallbackAPIVersion.VERSION2,
            client_id=self._id,
            clean_session=None if self._v5 else clean,
            protocol=PROTOCOLS[s.protocol],
            manual_ack=True,
            reconnect_on_failure=False,
        )
        client.connect_timeout = max(0.1, self._left_s())
        client.username_pw_set(s.username or None, password(s, self._secret))
        if s.address.tls:
            context = tls_context()
            context.set_alpn_protocols(alpn(s)) if alpn(s) else None
            load_trust(context, s)
            client.tls_set_context(context)
        client.on_connect = self._connected
        client.on_disconnect = self._disconnected
        client.on_subscribe = self._subscribed
        client.on_publish = self._published
        return client

    def _left_s(self) -> float:
        return self._ends_at - time.monotonic()

    def _until_answered(self) -> bool:
        """Turn the client until the answer to what was asked is there, or the line is gone, or the time is over."""
        while not self._answered and self._open and self._left_s() > 0:
            if self._client.loop(min(TURN_S, max(0.01, self._left_s()))) != mqtt.MQTT_ERR_SUCCESS:
                self._open = False
        answered, self._answered = self._answered, False
        return answered

    # -- the visit -----------------------------------------------------------------------------------------------

    def come(self) -> None:
        """CONNECT, and the answer."""
        s, how = self._settings, {}
        if self._v5:
            asked = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]  # paho has no type here
            asked.SessionExpiryInterval = s.session_expiry_s  # the agent's, should this be the agent's session
            asked.ReceiveMaximum = 1
            how = {"clean_start": False, "properties": asked}
        self._open = True
        self._client.connect(s.address.host, s.address.port, KEEPALIVE_S, **how)  # type: ignore[arg-type]  # as above
        self._until_answered()

    def read(self, topics: Sequence[str]) -> None:
        """SUBSCRIBE, as the agent does."""
        wanted: Any = [(topic, 1) for topic in topics]
        if self._v5:
            wanted = [(topic, SubscribeOptions(qos=1, retainHandling=2)) for topic in topics]
        self._topics = topics
        self._client.subscribe(wanted)
        self.found.subscribed = self._until_answered()
        self.found.hung_up = not self._open

    def write(self, topic: str) -> None:
        """PUBLISH; brokers of 3.1.1 hang up, or say nothing."""
        if not self._open:
            return
        self._client.publish(topic, b"", 1)
        self._until_answered()
        if not self._open:
            self.found.unwritten = "it hung up when we published"

    def leave(self) -> None:
        """DISCONNECT; a session that we made goes with us."""
        with contextlib.suppress(OSError, ValueError):
            if not self._open:
                return
            ours = self.found.let_in and not self._was_there
            if self._v5 and ours:
                asked = Properties(PacketTypes.DISCONNECT)  # type: ignore[no-untyped-call]  # paho has no type here
                asked.SessionExpiryInterval = 0
                self._hang_up(lambda: self._client.disconnect(properties=asked))
            else:
                self._hang_up(self._client.disconnect)
            if ours and not self._v5:
                self._forget()

    def _hang_up(self, say: Callable[[], object]) -> None:
        say()
        ends_at = time.monotonic() + 1.0
        while self._open and time.monotonic() < ends_at and self._client.loop(TURN_S) == mqtt.MQTT_ERR_SUCCESS:
            pass

    def _forget(self) -> None:
        """MQTT 3.1.1 forgets a session only when its client comes back clean."""
        self._ends_at = time.monotonic() + 2.0
        self._client = self._build(clean=True)
        self._open, self._answered = True, False
        self._client.connect(self._settings.address.host, self._settings.address.port, KEEPALIVE_S)
        self._until_answered()
        self._hang_up(self._client.disconnect)

    # -- the broker's word ---------------------------------------------------------------------------------------

    def _connected(self, _client: Any, _data: Any, flags: mqtt.ConnectFlags, reason: Any, _more: Any) -> None:
        self.found.code, self.found.reason = int(reason.value), str(reason)
        self._was_there = flags.session_present
        self._answered = True

    def _disconnected(self, _client: Any, _data: Any, _flags: Any, _reason: Any, _more: Any) -> None:
        self._open = False

    def _subscribed(self, _client: Any, _data: Any, _mid: int, reasons: list[Any], _more: Any) -> None:
        told = zip(self._topics, reasons, strict=False)
        self.found.unread = {topic: str(reason) for topic, reason in told if reason.is_failure}
        self._answered = True

    def _published(self, _client: Any, _data: Any, _mid: int, reason: Any, _more: Any) -> None:
        self.found.unwritten = str(reason) if reason.is_failure else ""
        self._answered = True
