"""A printer that can fail: a buffer, a speed, sensors, a cutter, counters, answers. Thread-safe, without a wire.

A port hands it bytes (`receive`) and asks how many it may take (`appetite`). What can be printed at once is printed in
the caller's thread; only paper that takes time and answers that are late have a thread, started when first needed.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Self

from agent.clock import Clock, SystemClock
from agent.simulator.faults import LineFaults, Reply, ReplyFault
from agent.simulator.mouth import Host, Mouth
from agent.simulator.paper import REALTIME_EVENTS, Event, Paper
from agent.simulator.realtime import CLEAR, CLEAR_PARAMS, Scanner
from agent.simulator.responder import Counters, Responder
from agent.simulator.spec import PrinterSpec
from agent.simulator.staranswers import StarResponder, StarScanner
from agent.simulator.stargrammar import RESET
from agent.simulator.starpaper import StarPaper
from agent.simulator.status import Sensors, automatic

CATCH_UP_S = 0.05
_CHUNK = 8192


class Machine:
    """The device. Its paper, sensors and faults may be read at any time; change them through the methods only."""

    def __init__(self, spec: PrinterSpec | None = None, name: str = "printer", clock: Clock | None = None) -> None:
        self.spec = spec or PrinterSpec()
        self.name = name
        self.sensors = Sensors()
        self.wire = LineFaults()
        self.powered = True
        self.cut_times: list[datetime] = []
        """When each of the paper's pieces was cut off, before whatever was answered after it."""
        self.received = 0
        self.power_cycles = 0
        star = self.spec.language == "star"
        reads = StarPaper if star else Paper
        self.paper = reads(
            self.spec.width_dots,
            self.spec.kanji,
            self.spec.knife_dots,
            self._device_command,
            self.spec.prints_qr,
            self.spec.prints_barcodes,
        )
        self.counters = Counters(self.paper)
        self._clock = clock or SystemClock()
        self._mouth = Mouth(self.spec.tier < 3, self.spec.reserve_replies, self._clock.monotonic)
        self._responder = (
            StarResponder(self.spec, self.sensors, self._mouth.say)
            if star
            else Responder(self.spec, self.sensors, self.counters, self._mouth.say)
        )
        self._scanner = StarScanner(self.spec.width_dots) if star else Scanner()
        self._buffer = bytearray()
        self._lines_left: int | None = None
        self._busy_until = 0.0
        self._held_up = False
        self._changed = threading.Condition(threading.RLock())
        self._listeners: list[Callable[[], None]] = []
        self._doorbells: list[Callable[[], None]] = []
        self._motor: threading.Thread | None = None
        self._closed = False

    # --- for those who watch -------------------------------------------------------------------------------------

    @property
    def buffered(self) -> int:
        """Bytes that were taken and not yet interpreted."""
        return len(self._buffer)

    @property
    def connected(self) -> bool:
        """A host is attached."""
        return self._mouth.host is not None

    @property
    def said(self) -> list[tuple[Reply, bytes]]:
        """Every answer that was handed to a host, in order."""
        return self._mouth.said

    @property
    def reply_faults(self) -> list[ReplyFault]:
        """The troubles of answers that are in force."""
        return self._mouth.faults.active

    def wait_for(self, predicate: Callable[[Self], bool], timeout_s: float) -> bool:
        """Block until `predicate(printer)` holds, looking again at each change; False when the time is over."""
        with self._changed:
            return self._changed.wait_for(lambda: predicate(self), timeout_s)

    def on_change(self, listener: Callable[[], None]) -> None:
        """Call `listener` after each change, from the thread that made it and without the printer's lock."""
        self._listeners.append(listener)

    def close(self) -> None:
        """Stop the motor's thread; ports are closed by their owners, before."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        if self._motor is not None:
            self._motor.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    # --- for ports -----------------------------------------------------------------------------------------------

    @property
    def reachable(self) -> bool:
        """A connection would be accepted."""
        return (self.powered or self.wire.unnoticed) and not self.wire.refuse

    def on_attention(self, doorbell: Callable[[], None]) -> None:
        """Ring `doorbell` when a port should look again: room in the buffer, faults of the line, power."""
        self._doorbells.append(doorbell)

    def forget_attention(self, doorbell: Callable[[], None]) -> None:
        """A port is closing."""
        self._doorbells.remove(doorbell)

    def appetite(self) -> int:
        """Bytes that may be handed over now; 0 while the buffer is full, the line stalls or the power is off, unless
        the line does not notice that.
        """
        if self.wire.stall or not (self.powered or self.wire.unnoticed):
            return 0
        room = self.spec.buffer_bytes + self.spec.margin_bytes - len(self._buffer)
        rate = self.spec.bytes_per_s
        return max(0, room if rate is None else min(room, max(1, int(rate * 0.02))))

    def attach(self, host: Host) -> None:
        """A host connected."""
        with self._change():
            self._mouth.attach(host)
            self._responder.greet()

    def detach(self, host: Host) -> None:
        """A host is gone; what it sent stays in the buffer."""
        with self._change():
            if self._mouth.host is host:
                self._mouth.host = None

    def receive(self, data: bytes) -> None:
        """Take bytes from the wire. Real-time commands act now, the rest when their turn comes."""
        with self._change():
            if not self.powered:
                return
            cut = self.wire.cut_at
            if cut is not None and self.received + len(data) >= cut:
                data = data[: max(0, cut - self.received)]
            self.received += len(data)
            self._take(data)
            if cut is not None and self.received >= cut:
                self.wire.cut_at = None
                self._drop(self.wire.cut_reset)

    def _take(self, data: bytes) -> None:
        done = 0
        for end, key, params in self._scanner.scan(data):
            # What came before stays before: a command that drops the buffer must find it there.
            self._queue(data[done:end])
            done = end
            self._realtime(key, params)
        self._queue(data[done:] if done else data)

    def _queue(self, data: bytes) -> None:
        self._buffer += self._unswallowed(data)
        self._print()

    def _unswallowed(self, data: bytes) -> bytes:
        wire = self.wire
        if not wire.swallow:
            return data
        if wire.swallow_left is None:
            return b""
        data, wire.swallow_left = data[wire.swallow_left :], max(0, wire.swallow_left - len(data))
        wire.swallow = wire.swallow_left > 0
        return data

    # --- the mechanism (the lock is held) ---------------------------------------------------------------------------

    def _print(self) -> None:
        """Print what can be printed now: until the buffer is empty, the motor is busy or the printer offline."""
        while self._buffer and not self.sensors.offline and self.powered:
            timed = self.spec.line_time_s > 0
            if timed and self._clock.monotonic() < self._busy_until:
                self._held_up = True
                self._start_motor()
                return
            before = self.paper.line_feeds
            limits = [n for n in (self._lines_left, 1 if timed else None) if n is not None]
            taken = self.paper.feed(self._buffer[:_CHUNK], min(limits, default=None))
            del self._buffer[:taken]
            self._moved(self.paper.line_feeds - before)

    def _moved(self, lines: int) -> None:
        if not lines:
            return
        if self.spec.line_time_s > 0:
            now = self._clock.monotonic()
            # A late wake-up is made good at the next line, or the paper would be slower than it says; idleness is not.
            late = self._held_up and now - self._busy_until < CATCH_UP_S
            self._held_up = False
            self._busy_until = (self._busy_until if late else now) + lines * self.spec.line_time_s
        if self._lines_left is not None:
            self._lines_left -= lines
            if self._lines_left <= 0:
                self._lines_left = None
                self._sense(paper_out=True)

    def _device_command(self, key: bytes, params: bytes) -> None:
        self._note_cuts()
        self._responder.obey(key, params)

    def _note_cuts(self) -> None:
        while len(self.cut_times) < len(self.paper.pieces):
            self.cut_times.append(self._clock.utc())

    def _realtime(self, key: bytes, params: bytes) -> None:
        if self._responder.realtime(key):
            return
        if key == RESET:
            self._buffer.clear()
            self.paper.forget()
        elif key[:2] == b"\x10\x05":
            self._recover(key[2])
        elif key == CLEAR and params == CLEAR_PARAMS and self.spec.clear_buffer:
            self._clear()
        elif key in REALTIME_EVENTS:
            self.paper.events.append(Event(REALTIME_EVENTS[key], key + params))

    def _recover(self, n: int) -> None:
        """DLE ENQ: 1 goes on at the failed line, 2 drops what was buffered; only from errors that can be mended."""
        if n in (1, 2) and self.sensors.cutter_jam:
            if n == 2:
                self._buffer.clear()
                self.paper.forget()
            self._sense(cutter_jam=False)

    def _clear(self) -> None:
        self._buffer.clear()
        self.paper.forget()
        self._mouth.say(Reply.CLEARED, b"\x37\x25\x00")

    def _sense(self, **sensors: bool) -> None:
        before, was_offline = automatic(self.sensors), self.sensors.offline
        for name, value in sensors.items():
            setattr(self.sensors, name, value)
        self._responder.sensed(before, was_offline)

    def _drop(self, reset: bool) -> None:
        host, self._mouth.host = self._mouth.host, None
        if host is not None:
            host.drop(reset)

    @contextmanager
    def _change(self, attention: bool = False) -> Iterator[None]:
        """Hold the lock, print what has become printable, wake whoever waits; listeners run after the lock is free."""
        with self._changed:
            full = self.appetite() == 0
            yield
            self._print()
            self._note_cuts()
            if self._mouth.due_s() is not None:
                self._start_motor()
            self._changed.notify_all()
            ring = attention or (full and self.appetite() > 0)
        for listener in (*(self._doorbells if ring else ()), *self._listeners):
            listener()

    def _start_motor(self) -> None:
        if self._motor is None and not self._closed:
            self._motor = threading.Thread(target=self._turn, name=f"motor-{self.name}", daemon=True)
            self._motor.start()

    def _turn(self) -> None:
        """The motor's thread: print the next line when the last is done, send late answers when they are due."""
        while True:
            with self._changed:
                while not self._closed and (wait_s := self._due_s()) != 0:
                    self._changed.wait(wait_s)
                if self._closed:
                    return
            with self._change():
                self._mouth.say_due()

    def _due_s(self) -> float | None:
        waits = [self._mouth.due_s()]
        if self._buffer and self.powered and not self.sensors.offline:
            waits.append(max(0.0, self._busy_until - self._clock.monotonic()))
        return min((wait for wait in waits if wait is not None), default=None)
