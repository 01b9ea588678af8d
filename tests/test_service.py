"""Starting, stopping and the watchdog, with real datagram sockets and a fake clock."""

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from agent import service

ROOT = Path(__file__).parents[1]


class FakeClock:
    """Time that passes when a test says so."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now

    def utc(self) -> datetime:
        return datetime.fromtimestamp(self.now, UTC)


class FakeService:
    """A service that does as a test says, and writes down what is asked of it."""

    def __init__(self, name: str, clock: FakeClock, said: list[str], limit_s: float = 10.0) -> None:
        self.name = name
        self.limit_s = limit_s
        self.takes_s = 0.0
        self.breaks = ""
        self._clock = clock
        self._said = said
        self._alive = False
        self._turned = clock.now

    def start(self) -> None:
        self._said.append(f"start {self.name}")
        if self.breaks == "start":
            raise RuntimeError(self.name)
        self._alive = True
        self.turn()

    def turn(self) -> None:
        self._turned = self._clock.now

    def die(self) -> None:
        self._alive = False

    def stop(self, deadline_s: float) -> None:
        self._said.append(f"stop {self.name} in {deadline_s:g}")
        self._clock.now += min(self.takes_s, deadline_s)
        if self.breaks == "stop":
            raise RuntimeError(self.name)
        self._alive = self.takes_s > deadline_s

    def alive(self) -> bool:
        return self._alive

    def progress(self) -> float:
        return self._turned


@pytest.fixture(params=["path", "abstract"])
def systemd(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """A socket as systemd's, by a path or by an abstract name."""
    shown = str(tmp_path / "notify") if request.param == "path" else f"@shop-agent-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(shown.replace("@", "\0", 1))
        listener.settimeout(5)
        monkeypatch.setenv("NOTIFY_SOCKET", shown)
        yield listener


def test_message_reaches_systemd(systemd: socket.socket) -> None:
    """READY and STATUS arrive as they are, over both kinds of socket; a status is always one line."""
    assert service.sd_notify("READY=1\n" + service.status("3 printers\nWATCHDOG=0"))
    assert systemd.recv(1000) == b"READY=1\nSTATUS=3 printers WATCHDOG=0"


@pytest.mark.parametrize("address", ["", "relative", "/nowhere/notify", "@shop-agent-nobody"])
def test_nobody_listening_is_no_error(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Started by a person there is no systemd, and nothing happens."""
    monkeypatch.setenv("NOTIFY_SOCKET", address)
    assert not service.sd_notify("READY=1")


PERIODS = [
    ("30000000", "", 15.0),
    pytest.param("30000000", str(os.getpid()), 15.0, id="our own"),
    ("30000000", "1", None),
    ("0", "", None),
    ("", "", None),
    ("soon", "", None),
]


@pytest.mark.parametrize(("usec", "pid", "period_s"), PERIODS)
def test_watchdog_period(usec: str, pid: str, period_s: float | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half of what systemd allows, and only when it means this process."""
    monkeypatch.setenv("WATCHDOG_USEC", usec)
    monkeypatch.setenv("WATCHDOG_PID", pid)
    assert service.watchdog_period_s() == period_s


def test_watchdog_is_fed_only_while_every_service_turns() -> None:
    """One stuck or dead thread stops the feeding; when it turns again the feeding goes on."""
    clock, told = FakeClock(), list[str]()
    quick, slow = FakeService("quick", clock, [], limit_s=5), FakeService("slow", clock, [], limit_s=60)
    watchdog = service.Watchdog([quick, slow], clock, told.append, period_s=15.0)
    assert watchdog.stuck() == ["quick", "slow"]  # not started yet
    quick.start()
    slow.start()
    fed = []
    for step in ("turn", "sleep", "turn", "die"):
        if step == "die":
            slow.die()
        clock.now += 20
        if step != "sleep":
            quick.turn()
        before = len(told)
        assert watchdog.turn() == 15.0
        fed.append(len(told) > before)
        if step == "turn":
            slow.turn()
    assert fed == [True, False, True, False]
    assert set(told) == {"WATCHDOG=1"}


class Sleeper(service.ServiceThread):
    """Waits for a bell, and counts how often it rang."""

    name = "sleeper"

    def __init__(self, clock: FakeClock) -> None:
        super().__init__(clock)
        self.bell, self.turns = threading.Event(), threading.Semaphore(0)

    def _rouse(self) -> None:
        self.bell.set()

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._turned()
            self.turns.release()
            self.bell.wait()
            self.bell.clear()


def test_service_of_one_thread_is_seen_to_turn_and_is_roused_to_stop() -> None:
    """Its progress is when its loop last came round; a stop does not wait until something else wakes it."""
    clock = FakeClock()
    sleeper = Sleeper(clock)
    sleeper.stop(1)  # before it was started: nothing to wait for
    sleeper = Sleeper(clock)
    assert (sleeper.alive(), sleeper.progress()) == (False, 100.0)
    sleeper.start()
    assert sleeper.turns.acquire(timeout=10)
    clock.now = 200.0
    assert sleeper.progress() == 100.0
    sleeper.bell.set()
    assert sleeper.turns.acquire(timeout=10)
    assert (sleeper.alive(), sleeper.progress()) == (True, 200.0)
    sleeper.stop(10)
    assert not sleeper.alive()


def test_without_a_watchdog_services_are_still_looked_at() -> None:
    """A person's run is looked at too, and nothing is sent."""
    clock, told = FakeClock(), list[str]()
    watchdog = service.Watchdog([FakeService("a", clock, [])], clock, told.append)
    assert watchdog.turn() == service.CHECK_S
    assert told == []


def test_stopping_is_in_reverse_and_shares_one_deadline() -> None:
    """Services start in order and stop in reverse; a slow one leaves less time to the others."""
    clock, said = FakeClock(), list[str]()
    first, second = FakeService("first", clock, said), FakeService("second", clock, said)
    second.takes_s = 8
    with service.running([first, second], 10, clock):
        said.append("running")
    assert said == ["start first", "start second", "running", "stop second in 10", "stop first in 2"]


@pytest.mark.parametrize("breaks", ["start", "stop"])
def test_broken_service_does_not_keep_the_others_from_stopping(breaks: str) -> None:
    """Whatever one service raises, all that were started are stopped, and the error is not lost."""
    clock, said = FakeClock(), list[str]()
    first, second = FakeService("first", clock, said), FakeService("second", clock, said)
    second.breaks = breaks
    with pytest.raises(RuntimeError, match="second"), service.running([first, second], 10, clock):
        pass
    assert said[-2:] == ["stop second in 10", "stop first in 10"]


IN_A_STORM = """
import signal, sys
from agent.service import Signalled
told = 0
def handler(*_):
    global told
    told += 1
    stop.set()
stop = Signalled()
signal.signal(signal.SIGALRM, handler)
signal.setitimer(signal.ITIMER_REAL, 0.0001, 0.0001)
while told < 2000:
    stop.wait(0.00005)
    stop = Signalled()
signal.setitimer(signal.ITIMER_REAL, 0)
assert Signalled().wait(0.001) is False
stop.set()
assert stop.is_set() and stop.wait(60.0)
"""


def test_a_signal_at_any_moment_is_heard_and_never_stops_the_main_thread() -> None:
    """Its handler runs between any two steps of whoever waits for it; an Event's lock would be held by then, once in
    some thousand times.
    """
    subprocess.run([sys.executable, "-c", IN_A_STORM], check=True, timeout=60, cwd=ROOT)
