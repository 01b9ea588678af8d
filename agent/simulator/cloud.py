"""The other end of the wire: a small cloud that counts its events, keeps them, answers replay requests, and collects
what the agent says. Everything that it knows may be read at any time, from any thread.

with Cloud("127.0.0.1", port) as cloud:
    cloud.publish("order.upsert", {"order": ...})
    cloud.wait_for(lambda c: c.order_states.get(("alipay", "8812")) == "printed", 5)
"""

import threading
import time
import uuid
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, Self

import msgspec
import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

Event = dict[str, Any]
CONNECT_S = 10.0
SESSION_S = 3600
_PASSING = ("duplicate", "stale")


class Cloud:
    """One shop's cloud. It speaks to one agent, `prefix`/`shop`; its sequence begins at 1 for each `epoch`. Without
    `counts` there is no sequence: a lost event is lost for good, as nobody can ask for it.

    `events` are those published, each once and in order; `reports` come without repetitions; `beats`, `states` and
    `requests` are the agent's other messages, and `garbage` what was no JSON.
    """

    def __init__(
        self,
        host: str,
        port: int,
        prefix: str = "shops",
        shop: str = "s421",
        agent: str = "box1",
        protocol: str = "5",
        epoch: str = "e1",
        counts: bool = True,
    ) -> None:
        root = f"{prefix}/{shop}"
        self.source = f"//orders.example/shops/{shop}/{epoch}"
        self._order_topic, self._replay_topic = f"{root}/dn/order", f"{root}/dn/replay/{agent}"
        self._command_topic, self._up = f"{root}/dn/cmd/{agent}", f"{root}/up/{agent}/"
        self._counts = counts
        self._changed = threading.Condition(threading.RLock())
        self._listeners: list[Callable[[], None]] = []
        self._flushing, self._taken = threading.Lock(), threading.Semaphore(0)
        self._sent = self._flushed = 0
        self._forgotten: set[int] = set()
        self._by_id: dict[str, Event] = {}
        self._had = 0
        self._report_ids: set[str] = set()
        self._ready = threading.Event()
        self.events: list[Event] = []
        self.reports: list[Event] = []
        self.beats: list[dict[str, Any]] = []
        self.states: list[dict[str, Any]] = []
        self.requests: list[dict[str, Any]] = []
        self.garbage: list[tuple[str, bytes]] = []
        self.order_states: dict[tuple[str, str], str] = {}
        """Where each order is, as reported: accepted, held, printed, partly_printed, ready, rejected or canceled."""
        self.alarms: dict[str, str] = {}
        """What needs a person now, and why."""
        self._client = self._connect(host, port, f"cloud-{shop}-{agent}", protocol)

    # -- down ----------------------------------------------------------------------------------------------------

    def publish(self, event_type: str, data: Any, *, deliver: bool = True, **attributes: Any) -> Event:
        """Tell the shop something new; returns the event. Without `deliver` it is only counted and kept, as one that
        got lost on the way.
        """
        event = {
            "specversion": "1.0",
            "id": uuid.uuid4().hex,
            "type": event_type,
            "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "datacontenttype": "application/json",
            "data": data,
            **attributes,
        }
        return self.send(event, deliver=deliver)

    def send(self, event: Mapping[str, Any], *, deliver: bool = True) -> Event:
        """Publish an event that is ready but for source and sequence; one that was sent before goes out as it was."""
        with self._changed:
            sent = self._by_id.get(event["id"])
            if sent is None:
                sent = {**event, "source": self.source}
                if self._counts:
                    sent["sequence"] = f"{len(self.events) + 1:020d}"
                self._by_id[sent["id"]] = sent
                self.events.append(sent)
            # Under the lock, so that the order on the wire is the order of the sequence.
            if deliver:
                self._publish(self._order_topic, sent)
            self._changed.notify_all()
        self._tell_listeners()
        return sent

    def resend(self, event: Event) -> None:
        """The same event once more, byte for byte: a true duplicate."""
        with self._changed:
            self._publish(self._order_topic, event)

    def say(self, payload: bytes) -> None:
        """Anything at all, where orders come."""
        with self._changed:
            self._send(self._order_topic, payload)

    def command(self, kind: str, **data: Any) -> None:
        """Bid the shop do something."""
        event = {"specversion": "1.0", "id": uuid.uuid4().hex, "source": self.source, "type": kind, "data": data}
        with self._changed:
            self._publish(self._command_topic, event)

    def forget(self, *sequences: int) -> None:
        """These events can't be replayed any more."""
        with self._changed:
            self._forgotten.update(sequences)

    def flush(self, timeout_s: float) -> bool:
        """Block until the broker took everything published so far; False when the time is over."""
        deadline = time.monotonic() + timeout_s
        with self._flushing:
            while self._flushed < self._sent:
                if not self._taken.acquire(timeout=max(0.0, deadline - time.monotonic())):
                    return False
                self._flushed += 1
        return True

    # -- up ------------------------------------------------------------------------------------------------------

    def wait_for(self, predicate: Callable[["Cloud"], bool], timeout_s: float) -> bool:
        """Block until `predicate(cloud)` holds, looking again at each message; False when the time is over."""
        with self._changed:
            return self._changed.wait_for(lambda: predicate(self), timeout_s)

    def on_change(self, listener: Callable[[], None]) -> None:
        """Call `listener` after each message up or down, without the cloud's lock. It must only hand on."""
        self._listeners.append(listener)

    def reported(self, kind: str, **facts: Any) -> list[dict[str, Any]]:
        """The data of the reports of one type in which all these facts hold."""
        with self._changed:
            data = [report["data"] for report in self.reports if report["type"] == kind]
        return [each for each in data if all(each.get(key) == value for key, value in facts.items())]

    @property
    def listening(self) -> bool:
        """Is it at the broker, and subscribed?"""
        return self._ready.is_set()

    @property
    def online(self) -> bool:
        """What the agent, or its last will, said last."""
        return bool(self.states) and bool(self.states[-1].get("online"))

    def close(self) -> None:
        """Hang up; what was not sent yet is lost."""
        self._client.disconnect()
        with suppress(AttributeError):  # paho's thread may end and forget itself while it is waited for
            self._client.loop_stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # -- the line ------------------------------------------------------------------------------------------------

    def _connect(self, host: str, port: int, client_id: str, protocol: str) -> mqtt.Client:
        v5 = protocol == "5"
        client = mqtt.Client(
            CallbackAPIVersion.VERSION2,
            client_id=client_id,
            clean_session=None if v5 else False,
            protocol=mqtt.MQTTv5 if v5 else mqtt.MQTTv311,
        )
        client.on_connect, client.on_subscribe = self._connected, self._subscribed
        client.on_disconnect = self._disconnected
        client.on_message, client.on_publish = self._message, self._published
        client.reconnect_delay_set(1, 2)
        if v5:
            properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]  # paho has no type here
            properties.SessionExpiryInterval = SESSION_S
            client.connect(host, port, clean_start=False, properties=properties)
        else:
            client.connect(host, port)
        client.loop_start()
        if not self._ready.wait(CONNECT_S):
            client.loop_stop()
            raise TimeoutError(f"the cloud can't reach the broker at {host}:{port}")
        return client

    def _publish(self, topic: str, message: Mapping[str, Any]) -> None:
        self._send(topic, msgspec.json.encode(message))

    def _send(self, topic: str, payload: bytes) -> None:
        self._client.publish(topic, payload, 1)
        self._sent += 1

    def _connected(self, client: mqtt.Client, _data: Any, _flags: Any, reason: ReasonCode, _properties: Any) -> None:
        if not reason.is_failure:
            client.subscribe(self._up + "#", 1)

    def _subscribed(self, *_: Any) -> None:
        self._ready.set()

    def _disconnected(self, *_: Any) -> None:
        self._ready.clear()

    def _published(self, *_: Any) -> None:
        # paho holds a lock here that `publish` takes while we hold ours: only a semaphore is safe.
        self._taken.release()

    def _message(self, _client: mqtt.Client, _data: Any, message: mqtt.MQTTMessage) -> None:
        try:
            content = msgspec.json.decode(message.payload)
        except msgspec.DecodeError:
            content = None
        with self._changed:
            if isinstance(content, dict):
                self._hear(message.topic.removeprefix(self._up), content)
            else:
                self.garbage.append((message.topic, bytes(message.payload)))
            self._changed.notify_all()
        self._tell_listeners()

    def _tell_listeners(self) -> None:
        for listener in self._listeners:
            listener()

    def _hear(self, kind: str, content: dict[str, Any]) -> None:
        match kind:
            case "report":
                if content["id"] not in self._report_ids:
                    self._report_ids.add(content["id"])
                    self.reports.append(content)
                    self._note(content["type"], content["data"])
            case "beat":
                self.beats.append(content)
            case "state":
                self.states.append(content)
            case "request":
                self.requests.append(content)
                self._replay(content)

    def _note(self, kind: str, data: dict[str, Any]) -> None:
        if kind == "order.state" and "sequence" in (event := self._by_id.get(data.get("event", ""), {})):
            self._had = max(self._had, int(event["sequence"]))
        if kind == "order.state" and data["state"] not in _PASSING:
            self.order_states[data["order"]["channel"], data["order"]["id"]] = data["state"]
        elif kind == "alarm" and data["state"] == "raised":
            self.alarms[data["key"]] = data.get("reason", "")
        elif kind == "alarm":
            self.alarms.pop(data["key"], None)

    def _replay(self, request: Mapping[str, Any]) -> None:
        """The original events again, then the end marker. Sources of another epoch are gone."""
        if request.get("source") not in (None, self.source):
            return
        head = len(self.events)
        first, last = max(1, int(request["from"])), min(head, int(request.get("to") or head))
        if self._had >= first:  # the box asks for what it has told of
            self._publish(self._replay_topic, {"source": self.source, "from": first, "had": self._had})
        wanted = range(first, last + 1)
        for number in wanted:
            if number not in self._forgotten:
                self._publish(self._replay_topic, self.events[number - 1])
        gone = [number for number in wanted if number in self._forgotten]
        end = {"source": self.source, "from": first, "to": last, "head": head, "unavailable": gone}
        self._publish(self._replay_topic, end)
