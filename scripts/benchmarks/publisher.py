"""The cloud's side of a measurement: publishes orders and stamps each one, and hears what an agent reports.

It has no thread: paho writes an order to the socket in `publish` itself, so that a stamp is taken right before.
"""

import socket
import time
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Any

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from scripts.benchmarks.orders import order_event, order_topic

TIMEOUT_S = 30.0


class Publisher:
    """A connection to the broker for one shop. What the agent says there on `hears` ("report", "state") is kept."""

    def __init__(self, port: int, shop: str, *, hears: str = "") -> None:
        self.reports: list[bytes] = []
        self._shop = shop
        self._ready = False
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id="bench-cloud")
        self._client.max_inflight_messages_set(0)  # no limit
        self._client.on_socket_open = self._opened
        self._client.on_connect = self._on_ready
        self._client.on_message = self._heard
        self._client.connect("127.0.0.1", port, keepalive=3600)
        self.until(lambda: self._ready, "the broker did not answer")
        if hears:
            self._ready, self._client.on_subscribe = False, self._on_ready
            self._client.subscribe(f"shops/{shop}/up/box1/{hears}", 1)
            self.until(lambda: self._ready, "the broker did not answer")

    def send(self, payload: bytes) -> None:
        """Publish one event; it is written to the socket before this returns."""
        self._client.publish(order_topic(self._shop), payload, 1)

    def publish_paced(self, numbers: Iterable[int], per_s: float) -> dict[int, int]:
        """Publish orders at a pace; when each was published, by its number, in ns of CLOCK_MONOTONIC."""
        stamps: dict[int, int] = {}
        for number in numbers:
            payload = order_event(self._shop, number)
            stamps[number] = time.monotonic_ns()
            info = self._client.publish(order_topic(self._shop), payload, 1)
            self.listen(1 / per_s)
            self.until(info.is_published, "the broker did not take an order")
        return stamps

    def publish_at_once(self, numbers: Iterable[int]) -> int:
        """Publish orders as fast as the broker takes them; when the first was published, in ns of CLOCK_MONOTONIC."""
        topic = order_topic(self._shop)
        payloads = [order_event(self._shop, number) for number in numbers]
        started = time.monotonic_ns()
        infos = [self._client.publish(topic, payload, 1) for payload in payloads]
        self.until(lambda: all(info.is_published() for info in infos), "the broker did not take all orders")
        return started

    def _opened(self, _client: mqtt.Client, _userdata: Any, opened: Any) -> None:
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def _on_ready(self, *_: Any) -> None:
        self._ready = True

    def _heard(self, _client: mqtt.Client, _userdata: Any, message: mqtt.MQTTMessage) -> None:
        self.reports.append(bytes(message.payload))

    def listen(self, duration_s: float) -> None:
        """Let time pass; what comes meanwhile is heard."""
        deadline = time.monotonic() + duration_s
        while (left_s := deadline - time.monotonic()) > 0:
            self._client.loop(left_s)

    def until(self, done: Callable[[], bool], complaint: str) -> None:
        """Hear what comes until it is done; else raise RuntimeError with the complaint."""
        deadline = time.monotonic() + TIMEOUT_S
        while not done():
            if time.monotonic() > deadline:
                raise RuntimeError(complaint)
            self._client.loop(0.1)

    def close(self) -> None:
        """Disconnect."""
        self._client.disconnect()

    def __enter__(self) -> "Publisher":
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.close()
