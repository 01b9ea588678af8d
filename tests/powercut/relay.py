"""The wire between agent and broker, with somebody who listens: which order was acknowledged, and when."""

import re
import select
import socket
import threading
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Self

_PUBLISH, _PUBACK = 3, 4
_EVENT = re.compile(rb'"id":"event-(\d+)"')


class Relay:
    """Carries bytes to `port` and back. `acknowledged(number)` is called before the broker gets the PUBACK."""

    def __init__(self, port: int, acknowledged: Callable[[int], None]) -> None:
        self._to = port
        self._acknowledged = acknowledged
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(0.2)
        self.port: int = self._listener.getsockname()[1]
        self._closed = threading.Event()
        self._threads = [threading.Thread(target=self._accept, name="relay")]

    def __enter__(self) -> Self:
        self._threads[0].start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closed.set()
        for thread in self._threads:
            thread.join(5)
        self._listener.close()

    def _accept(self) -> None:
        while not self._closed.is_set():
            try:
                client, _ = self._listener.accept()
            except TimeoutError:
                continue
            thread = threading.Thread(target=self._carry, args=(client,), name="relay")
            self._threads.append(thread)
            thread.start()

    def _carry(self, client: socket.socket) -> None:
        under_way: dict[int, int] = {}
        with client, socket.create_connection(("127.0.0.1", self._to)) as broker:
            rest = {client: b"", broker: b""}
            while not self._closed.is_set():
                for side in select.select([client, broker], [], [], 0.2)[0]:
                    try:
                        data = side.recv(65536)
                        if not data:
                            return
                        rest[side] = self._look(rest[side] + data, under_way, side is broker)
                        (broker if side is client else client).sendall(data)
                    except OSError:
                        return

    def _look(self, data: bytes, under_way: dict[int, int], down: bool) -> bytes:
        """Note what came down to the agent and what it acknowledged; returns the part of a packet at the end."""
        end = 0
        for kind, body, end in packets(data):  # noqa: B007  # after the loop it is where the last packet ended
            if down and kind == _PUBLISH and (event := _EVENT.search(body)) is not None:
                topic = int.from_bytes(body[:2])
                under_way[int.from_bytes(body[2 + topic : 4 + topic])] = int(event[1])
            elif kind == _PUBACK and not down and (number := under_way.pop(int.from_bytes(body[:2]), 0)):
                self._acknowledged(number)
        return data[end:]


def packets(data: bytes) -> Iterator[tuple[int, bytes, int]]:
    """The whole MQTT packets in there: kind, body, and where it ends."""
    at = 0
    while True:
        length = shift = 0
        for size_at in range(at + 1, min(at + 5, len(data))):
            length |= (data[size_at] & 0x7F) << shift
            shift += 7
            if data[size_at] < 0x80:
                break
        else:
            return
        body = size_at + 1
        if body + length > len(data):
            return
        yield data[at] >> 4, data[body : body + length], body + length
        at = body + length
