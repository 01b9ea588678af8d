"""How a thread of the agent starts, shows that it lives and stops; and what systemd is told of it.

The watchdog is fed only while every service turns: a process that is up but has a stuck thread is restarted.
"""

import os
import queue
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from typing import Protocol

from agent import log
from agent.clock import Clock

_ARENA_MAX = -8
CHECK_S = 5.0
"""How often services are looked at when systemd asks for no watchdog."""

_log = log.get("service")


class Service(Protocol):
    """A thread, seen from outside. `limit_s` is the longest that one turn of its loop may take.

    A loop that waits for work must wake and turn more often than that.
    """

    @property
    def name(self) -> str:
        """What it is called in the log and in the status."""

    @property
    def limit_s(self) -> float:
        """Seconds without progress after which it counts as stuck."""

    def start(self) -> None:
        """Start the thread, once. Does not block; raises what makes starting pointless."""

    def stop(self, deadline_s: float) -> None:
        """Ask it to end and wait, at most `deadline_s` seconds. May be repeated, also before `start`."""

    def alive(self) -> bool:
        """Does the thread run?"""

    def progress(self) -> float:
        """When its loop last turned, on the monotonic clock; before the first turn, when it was started."""


class Stop(Protocol):
    """Says that it is time to stop: an Event does, too."""

    def is_set(self) -> bool:
        """Was it said?"""

    def wait(self, timeout: float) -> bool:
        """Until it is said, but no longer than this; was it?"""


class Signalled:
    """A `Stop` for the handler of a signal. An Event is none: the handler runs on the main thread, which may just then
    hold the Event's lock, and would wait for itself.
    """

    def __init__(self) -> None:
        self._said: queue.SimpleQueue[None] = queue.SimpleQueue()  # whose put may come in the middle of its get
        self._set = False

    def set(self) -> None:
        """Say it."""
        self._set = True
        self._said.put(None)

    def is_set(self) -> bool:
        """Was it said?"""
        return self._set

    def wait(self, timeout: float) -> bool:
        """Until it is said, but no longer than this; was it?"""
        if not self._set:
            with suppress(queue.Empty):
                self._said.get(timeout=timeout)
        return self._set


class ServiceThread:
    """A `Service` that is one thread. Its `_run` goes round until `_stopping` is set, and says `_turned` each time."""

    name = ""
    limit_s = 30.0

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._stopping = threading.Event()
        self._progress = clock.monotonic()
        self._thread = threading.Thread(target=self._run, name=self.name, daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self, deadline_s: float) -> None:
        """Ask it to end and wait."""
        self._stopping.set()
        self._rouse()
        if self._thread.is_alive():
            self._thread.join(deadline_s)

    def alive(self) -> bool:
        """Does the thread run?"""
        return self._thread.is_alive()

    def progress(self) -> float:
        """When its loop last turned."""
        return self._progress

    def _turned(self) -> None:
        self._progress = self._clock.monotonic()

    def _rouse(self) -> None:
        """It is to end: wake it, where it waits for something else than `_stopping`."""

    def _run(self) -> None:
        raise NotImplementedError


def sd_notify(message: str) -> bool:
    """Tell systemd, over $NOTIFY_SOCKET (sd_notify(3)); False when nobody listens. Never blocks or raises."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return False
    if address.startswith("@"):  # an abstract socket: its name begins with a zero byte
        address = "\0" + address[1:]
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as line:
            line.sendto(message.encode(), address)
    except OSError:
        return False
    return True


def keep_heaps_few(most: int) -> None:
    """glibc gives each thread a heap of its own, which keeps what was once needed; from now on so many (mallopt(3))."""
    import ctypes  # half a megabyte, which the first look at the clock needs too

    with suppress(OSError, AttributeError):  # another libc
        ctypes.CDLL(None).mallopt(_ARENA_MAX, most)


def status(text: str) -> str:
    """The message that shows `text` in `systemctl status`: one line, whatever is in it."""
    return "STATUS=" + "".join(char if char.isprintable() else " " for char in text)


def watchdog_period_s() -> float | None:
    """Half of what systemd allows ($WATCHDOG_USEC), or None when it asks this process for nothing."""
    usec = os.environ.get("WATCHDOG_USEC", "")
    pid = os.environ.get("WATCHDOG_PID", "")
    if not usec.isascii() or not usec.isdigit() or int(usec) == 0 or (pid and pid != str(os.getpid())):
        return None
    return int(usec) / 2_000_000


class Watchdog:
    """Says WATCHDOG=1 while every service turns, and logs once who is stuck and once who came back."""

    def __init__(
        self,
        services: Sequence[Service],
        clock: Clock,
        notify: Callable[[str], object] = sd_notify,
        period_s: float | None = None,
    ) -> None:
        self._services = services
        self._clock = clock
        self._notify = notify
        self._period_s = period_s
        self._stuck: frozenset[str] = frozenset()

    def turn(self) -> float:
        """Look at every service and feed the watchdog if all is well. Returns seconds until the next look."""
        before, self._stuck = self._stuck, frozenset(self.stuck())
        for name in sorted(self._stuck - before):
            _log.error("service.stuck", service=name)
        for name in sorted(before - self._stuck):
            _log.info("service.recovered", service=name)
        if self._period_s is None:
            return CHECK_S
        if not self._stuck:
            self._notify("WATCHDOG=1")
        return self._period_s

    def stuck(self) -> list[str]:
        """The services that ended, or that did not turn within their limit."""
        now = self._clock.monotonic()
        return [
            service.name
            for service in self._services
            if not service.alive() or now - service.progress() > service.limit_s
        ]


@contextmanager
def running(services: Sequence[Service], stop_s: float, clock: Clock) -> Iterator[None]:
    """Start in order; at the end stop in reverse, all in `stop_s` seconds, whatever one of them raises."""
    ends_at: list[float] = []

    def stop(service: Service) -> None:
        now = clock.monotonic()
        if not ends_at:
            ends_at.append(now + stop_s)
        service.stop(max(0.0, ends_at[0] - now))
        if service.alive():
            _log.error("service.stop_timed_out", service=service.name)

    with ExitStack() as stack:
        for service in services:
            stack.callback(stop, service)
            service.start()
        yield
