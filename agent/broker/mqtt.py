"""The line to the broker. It connects for ever, hands deliveries up, and acknowledges a delivery only on the
connection that brought it. Nobody outside this room knows paho.

Everything is QoS 1: paho answers QoS 2 with PUBREC on arrival, whatever it is told, and a kill then loses it. A broker
that sends it all the same is logged, and the sequence finds what it lost. paho's network thread alone touches the
socket; a callback only hands on, because a lock or an exception in it could stop the line for good.
"""

import queue
import sys
import threading
from collections.abc import Callable
from typing import Any

import paho.mqtt.client as mqtt
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from agent import log
from agent.broker.backoff import Backoff
from agent.broker.client import (
    LARGEST_PACKET,
    PROTOCOLS,
    TAKEN_OVER,
    Client,
    aim,
    caught,
    log_in,
    new_client,
    shut,
    topic_of,
    user_properties,
    wait,
    watch_socket,
)
from agent.broker.hold import Hold
from agent.broker.troubles import Troubles
from agent.broker.trust import Trust
from agent.broker.word import Acknowledged, Session, Will
from agent.clock import Clock
from agent.config import Broker
from agent.model.preset import preset_of
from agent.model.wire import Delivery

MOST_UNACKED_OUT = 10
SUBSCRIBE_AGAIN_S = 60.0
UNLIMITED = 1 << 28
"""More than any packet can have."""
MOST_AROUND = 16
"""Bytes of a PUBLISH besides topic and payload."""
NO_RIGHT = (135, 144)
"""Not authorized; topic name invalid."""
_log = log.get("broker")


class Line:
    """One agent's connection. `on_delivery` and `on_up` (argument: was the session still there) are called on the
    network thread and must only hand on.
    """

    name = "broker"
    limit_s = 60.0

    def __init__(
        self,
        settings: Broker,
        subscriptions: tuple[str, ...],
        will: Will,
        clock: Clock,
        on_delivery: Callable[[Delivery], None],
        on_up: Callable[[bool], None],
        backoff: Backoff | None = None,
    ) -> None:
        self._settings = settings
        self._address = settings.address
        self._subscriptions = subscriptions
        self._will = will
        self._clock = clock
        self._on_delivery = on_delivery
        self._on_up = on_up
        self._backoff = backoff or Backoff()
        self._hold = Hold()
        self._lock = threading.Lock()
        self._generation = 0
        self._up = False
        self._up_at = 0.0
        self._open = False
        self._answered = self._downgraded = False
        self._subscribe_at = float("inf")
        self._revive_at = 0.0
        self._aliens: set[str] = set()
        self._stopped = False
        self.most_unacked_out = MOST_UNACKED_OUT
        self.largest_out = UNLIMITED
        self.session: Session | None = None
        self.acknowledged: queue.SimpleQueue[Acknowledged | None] = queue.SimpleQueue()
        self._preset = preset_of(settings.preset)
        self._trust = Trust(settings, clock) if self._address.tls else None
        self._troubles = Troubles(settings, self._address, self._trust)
        self._client = self._build()

    # -- for the rooms above -------------------------------------------------------------------------------------

    @property
    def generation(self) -> int:
        """Which connection this is; it grows with every attempt and every loss."""
        return self._generation

    @property
    def up(self) -> bool:
        """Did the broker accept this connection, and is it not known to be lost?"""
        return self._up

    @property
    def login(self) -> str:
        """As whom we come, for a person; no secret."""
        return self._troubles.login

    @property
    def why(self) -> str:
        """Why it is not up, as far as is known."""
        return "" if self._up else self._troubles.why

    @property
    def faults(self) -> dict[str, str]:
        """What needs a person: alarm key and reason."""
        if self._up:
            self._backoff.lasted(self._clock.monotonic() - self._up_at)
        return self._troubles.faults(self._backoff)

    def acknowledge(self, delivery: Delivery) -> bool:
        """Settle a delivery: send its PUBACK, unless the connection that brought it is gone; then the broker sends it
        again. Every delivery that was handed up comes here once.
        """
        self._hold.leave(len(delivery.payload))
        if delivery.qos == 0 or delivery.mid == 0:
            return True
        with self._lock:
            if not self._up or delivery.generation != self._generation:
                return False
            return self._client.ack(delivery.mid, delivery.qos) == mqtt.MQTT_ERR_SUCCESS

    def publish(self, topic: str, payload: bytes, retain: bool = False) -> int | None:
        """Send at QoS 1; returns the message's id, to be met again in `acknowledged`, or None while the line is down.

        At most `most_unacked_out` may be on the way. What was on the way when the line broke must be sent again.
        """
        if not self._up:
            return None
        info = self._client.publish(topic, payload, 1, retain and self._preset.retains)
        return info.mid if info.rc == mqtt.MQTT_ERR_SUCCESS else None

    def fits(self, topic: str, payload: bytes) -> bool:
        """Does the broker take a message of this size? Else it would break the line, each time; a person is told."""
        size = MOST_AROUND + len(topic.encode()) + len(payload)
        if size <= self.largest_out:
            return True
        self._troubles.too_large(topic, size, self.largest_out)
        return False

    def hang_up(self, reason: str) -> None:
        """Break this connection, because nothing good can come of it; a new one is made by itself."""
        _log.warning("broker.hung_up", reason=reason)
        shut(self._client)

    # -- a service -----------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Start the network thread; it connects by itself."""
        self._client.loop_start()

    def stop(self, deadline_s: float) -> None:
        """Disconnect cleanly and end the network thread, or leave it behind when the broker does not let go."""
        self._stopped = True
        client = self._client
        client.disconnect()
        ender = threading.Thread(target=client.loop_stop, name="broker-stop", daemon=True)
        ender.start()
        ender.join(deadline_s)

    def alive(self) -> bool:
        """Does the network thread run?"""
        thread = self._client._thread
        return thread is not None and thread.is_alive()

    def progress(self) -> float:
        """paho's thread has no pulse of its own to read; whether it lives is what can be known."""
        return self._clock.monotonic()

    def tend(self) -> None:
        """Look after the line, each second, from one thread: build the client anew when its network thread
        died (a dead one still claims to be connected), ask again for topics that were refused.
        """
        now = self._clock.monotonic()
        if self._stopped:
            return
        if not self.alive():
            if now >= self._revive_at:
                self._revive(now)
        elif self._downgraded:
            self._downgraded = False
            self._client.disconnect()  # its thread ends
        elif now >= self._subscribe_at and self._up:
            if not self._troubles.denied:
                self._troubles.denied = f"it has not answered for {SUBSCRIBE_AGAIN_S:.0f} s"
                _log.error("broker.subscription_unanswered", again_in_s=SUBSCRIBE_AGAIN_S)
            self._subscribe(self._client)

    def _revive(self, now: float) -> None:
        again_s = self._backoff.failed()
        self._revive_at = now + again_s
        _log.error("broker.thread_died", again_in_s=again_s)
        self._lost()
        self.hang_up("its thread is gone")
        self._client = self._build()
        self._client.loop_start()

    # -- the client ----------------------------------------------------------------------------------------------

    def _build(self) -> Client:
        client = new_client(self._settings, tls=self._trust is not None)
        if self._preset.wills:
            client.will_set(self._will.topic, self._will.payload, 1, retain=self._preset.retains)
        client.on_pre_connect = self._pre_connect
        client.on_connect = self._connected
        client.on_connect_fail = self._connect_failed
        client.on_disconnect = self._disconnected
        client.on_message = self._message
        client.on_publish = self._published
        client.on_subscribe = self._subscribed
        client.on_socket_open = self._socket_opened
        aim(client, self._settings, self._address)
        return client

    def _subscribe(self, client: mqtt.Client) -> None:
        self._subscribe_at = self._clock.monotonic() + SUBSCRIBE_AGAIN_S
        if self._settings.protocol == "5":
            client.subscribe([(topic, SubscribeOptions(qos=1, retainHandling=2)) for topic in self._subscriptions])
        else:
            client.subscribe([(topic, 1) for topic in self._subscriptions])

    def _lost(self) -> bool:
        """Nothing of the connection that was may be acknowledged any more. True when it had been up."""
        with self._lock:
            was_up, self._up = self._up, False
            self._generation += 1
        return was_up

    # -- callbacks, on the network thread ------------------------------------------------------------------------

    @caught
    def _pre_connect(self, client: mqtt.Client, _userdata: Any) -> None:
        self._lost()
        self._open, self._answered = True, False
        client.drop_out_messages()
        log_in(client, self._settings, self._trust)

    @caught
    def _socket_opened(self, _client: mqtt.Client, _userdata: Any, opened: Any) -> None:
        watch_socket(opened, self._settings.keepalive_s)

    @caught
    def _connected(
        self,
        client: mqtt.Client,
        _userdata: Any,
        flags: mqtt.ConnectFlags,
        reason: ReasonCode,
        properties: Properties | None,
    ) -> None:
        self._answered = True
        if reason.is_failure:
            self._troubles.refused(str(reason), reason.value)
            return
        self.most_unacked_out = max(1, min(MOST_UNACKED_OUT, getattr(properties, "ReceiveMaximum", MOST_UNACKED_OUT)))
        self.largest_out = getattr(properties, "MaximumPacketSize", UNLIMITED)
        self._troubles.over()
        self._subscribe(client)
        with self._lock:
            self._up = True
            self._up_at = self._clock.monotonic()
        self._note_session(flags.session_present, properties)
        self._on_up(flags.session_present)

    def _note_session(self, present: bool, properties: Properties | None) -> None:
        """A broker of MQTT 5 that says nothing grants what was asked; one of 3.1.1 never says."""
        asked_s = self._settings.session_expiry_s
        granted_s = getattr(properties, "SessionExpiryInterval", asked_s) if self._settings.protocol == "5" else None
        self.session = Session(present, granted_s)
        self._troubles.note_session(self.session, asked_s)

    @caught
    def _connect_failed(self, client: mqtt.Client, _userdata: Any) -> None:
        again_s = self._backoff.failed()
        self._troubles.say("broker.unreachable", self._troubles.unreachable(sys.exception()), again_s)
        wait(client, again_s)

    @caught
    def _disconnected(
        self,
        client: mqtt.Client,
        _userdata: Any,
        flags: mqtt.DisconnectFlags,
        reason: ReasonCode,
        _properties: Properties | None,
    ) -> None:
        was_up = self._lost()
        was_open, self._open = self._open, False
        if self._stopped or not was_open:  # paho may say it twice
            return
        why = str(reason) if flags.is_disconnect_packet_from_server or reason.value != 128 else "the connection broke"
        now = self._clock.monotonic()
        if was_up:
            again_s = self._after_loss(now, reason.value == TAKEN_OVER, why)
        else:
            again_s = self._backoff.failed()
            self._troubles.never_up(self._answered, why, again_s)
        # paho goes down to MQTT 3.1 on its own when 3.1.1 is refused, and would stay there.
        self._downgraded = client.protocol != PROTOCOLS[self._settings.protocol]
        wait(client, again_s)

    def _after_loss(self, now: float, taken_over: bool, why: str) -> float:
        """Seconds until the next try."""
        backoff, client_id, lasted_s = self._backoff, self._settings.client_id, now - self._up_at
        if taken_over:
            again_s = backoff.taken_over(now, lasted_s)
            _log.warning("broker.taken_over", client_id=client_id, again_in_s=again_s)
            return again_s
        suspected = backoff.suspected
        again_s = backoff.lost(now, lasted_s)
        _log.warning("broker.lost", reason=why, again_in_s=again_s)
        if backoff.suspected and not suspected:
            _log.warning("broker.contested_perhaps", client_id=client_id, again_in_s=again_s)
        return again_s

    @caught
    def _message(self, _client: mqtt.Client, _userdata: Any, message: mqtt.MQTTMessage) -> None:
        topic = topic_of(message)
        if topic not in self._subscriptions and topic not in self._aliens and len(self._aliens) < 100:
            self._aliens.add(topic)
            _log.warning("broker.alien_topic", topic=topic)
        if message.qos != 1 or message.mid == 0:
            _log.warning("broker.wrong_delivery", topic=topic, qos=message.qos, mid=message.mid)
        payload = bytes(message.payload[:LARGEST_PACKET])  # no order is as large; the front door refuses it
        properties = user_properties(message.properties)
        delivery = Delivery(self._generation, message.mid, topic, payload, message.qos, message.retain, properties)
        if self._hold.enter(len(payload), lambda: self._stopped):
            _log.warning("broker.held_back", waiting=self._hold.count)
        self._on_delivery(delivery)

    @caught
    def _published(self, _client: mqtt.Client, _userdata: Any, mid: int, reason: ReasonCode, _: Any) -> None:
        denied = reason.value in NO_RIGHT
        why = str(reason) if reason.is_failure else ""
        self.acknowledged.put(Acknowledged(self._generation, mid, not reason.is_failure, why, denied))

    @caught
    def _subscribed(self, _client: mqtt.Client, _userdata: Any, _mid: int, reasons: list[ReasonCode], _: Any) -> None:
        if denied := self._troubles.not_let(self._subscriptions, reasons):
            _log.error("broker.subscription_refused", topics=denied, again_in_s=SUBSCRIBE_AGAIN_S)
        else:
            self._subscribe_at = float("inf")
            _log.info("broker.subscribed", topics=", ".join(self._subscriptions))
