"""The platform's side of a fleet: publishes orders to any shop, hears every report and birth, and takes the times."""

import asyncio
import contextlib
import time

import msgspec

from scripts.benchmarks import fleet_wire as wire
from scripts.benchmarks.orders import order_event, order_topic

WAIT_S = 20.0
EACH_S = 0.5


class Times(msgspec.Struct):
    """Of one order: when it was published, when `accepted` and `printed` were heard, in seconds of CLOCK_MONOTONIC;
    `no` is its number on paper.
    """

    shop: str
    no: int
    sent: float
    accepted: float | None = None
    printed: float | None = None


class Cloud:
    """One connection that comes back by itself, twice a second."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._connection: wire.Connection | None = None
        self._ready = asyncio.Event()
        self._numbers: dict[str, int] = {}
        self.orders: dict[str, Times] = {}
        self.births: dict[str, float] = {}
        """When each shop was last heard to be born."""

        self.beat_bytes: dict[str, list[int]] = {}
        """The payloads' sizes of those shops whose beats are heard."""

        self._filters: tuple[str, ...] = ("shops/+/up/+/report", "shops/+/up/+/state")
        self._stopped = False

    async def start(self, beats_of: tuple[str, ...] = ()) -> None:
        """Connect; some shops' beats are heard too."""
        self._filters += tuple(f"shops/{shop}/up/+/beat" for shop in beats_of)
        await self._connect()
        await asyncio.wait_for(self._ready.wait(), WAIT_S)

    def stop(self) -> None:
        """Hang up."""
        self._stopped = True
        if self._connection is not None:
            self._connection.close()

    def order(self, shop: str) -> str:
        """Publish the next order of a shop; its id."""
        number = self._numbers[shop] = self._numbers.get(shop, 0) + 1
        event = msgspec.json.decode(order_event(shop, number))
        event["data"]["order"]["no"] = str(len(self.orders) + 1)  # the paper of all shops comes out of one printer
        assert self._connection is not None, "the cloud is not connected"
        name = f"{shop}-{number:08}"
        self.orders[name] = Times(shop, len(self.orders) + 1, time.monotonic())
        self._connection.send(wire.publish(order_topic(shop), msgspec.json.encode(event), self._connection.next_mid()))
        return name

    async def printed(self, names: list[str], timeout_s: float) -> int:
        """Wait for these orders; how many were not reported as printed in time."""
        deadline = time.monotonic() + timeout_s
        while missing := sum(self.orders[name].printed is None for name in names):
            if time.monotonic() > deadline:
                break
            await asyncio.sleep(0.1)
        return missing

    async def _connect(self) -> None:
        while not self._stopped:
            connection = wire.Connection(self._packet, self._lost)
            with contextlib.suppress(OSError):
                await asyncio.get_running_loop().create_connection(lambda: connection, "127.0.0.1", self._port)  # noqa: B023  used at once
                self._connection = connection
                connection.send(wire.connect("bench-cloud", 60, "", b"", 3600))
                return
            await asyncio.sleep(EACH_S)

    def _lost(self) -> None:
        self._connection = None
        self._ready.clear()
        if not self._stopped:
            asyncio.get_running_loop().call_later(EACH_S, lambda: asyncio.ensure_future(self._connect()))

    async def back(self) -> None:
        """Wait until it is connected."""
        await asyncio.wait_for(self._ready.wait(), WAIT_S)

    def _packet(self, packet: wire.Packet) -> None:
        assert self._connection is not None
        if packet.kind == wire.CONNACK:
            self._connection.send(wire.subscribe(self._connection.next_mid(), self._filters))
        elif packet.kind == wire.SUBACK:
            self._ready.set()
        elif packet.kind == wire.PUBLISH:
            now = time.monotonic()
            self._connection.send(wire.puback(packet.mid))
            _, shop, _, _, kind = packet.topic.split("/")
            if kind == "beat":
                self.beat_bytes.setdefault(shop, []).append(len(packet.payload))
            elif kind == "state" and msgspec.json.decode(packet.payload).get("online"):
                self.births[shop] = now
            elif kind == "report":
                self._note(msgspec.json.decode(packet.payload), now)

    def _note(self, report: dict[str, object], now: float) -> None:
        data = report["data"]
        if report["type"] != "order.state" or not isinstance(data, dict):
            return
        times = self.orders.get(data["order"]["id"])
        if times is not None and data["state"] == "accepted":
            times.accepted = times.accepted or now
        elif times is not None and data["state"] == "printed":
            times.printed = times.printed or now
