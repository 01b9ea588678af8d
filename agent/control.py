"""The door for whoever stands at the box: a JSON line in, a JSON line out, over a unix socket in the data directory.

It moves lines and knows no request: the handlers that it is given answer. Only the service's user and root may come in.
A visitor who never speaks, or never listens, holds one of a few seats for some seconds and nothing else. Tickets are
printed also where the door can't be opened; it is tried again.
"""

import contextlib
import errno
import os
import pwd
import socket
import struct
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from agent import log
from agent.clock import Clock, SystemClock
from agent.errors import AgentError, AgentNotRunning, CommandRefused

SOCKET = "control"
MOST_VISITORS = 8
LONGEST_REQUEST, LONGEST_ANSWER = 64 * 1024, 32 * 1024 * 1024
SPEAK_S, LISTEN_S = 5.0, 5.0
"""How long a visitor may take to say what he wants, and to take the answer."""
POLL_S = 1.0
OPEN_AGAIN_S = 5.0
GOODBYE_S = 1.0
_CREDENTIALS = struct.Struct("iII")  # pid, uid, gid: unix(7), SO_PEERCRED
_log = log.get("control")


class Visit(msgspec.Struct, frozen=True):
    """Who asks: the name of the unix user. A handler that waits looks at `stopping`: the agent is about to end."""

    by: str
    stopping: threading.Event


Handler = Callable[[dict[str, Any], Visit], dict[str, Any]]
"""Answers one kind of request, on a thread of its own. Raises AgentError where it refuses."""


class Control:
    """The door, as a service: a thread that lets visitors in, and one for each of them."""

    name = "control"
    limit_s = 30.0

    def __init__(self, data_dir: Path, handlers: Mapping[str, Handler], clock: Clock) -> None:
        self._data_dir = data_dir
        self._handlers = handlers
        self._clock = clock
        self._progress = clock.monotonic()
        self._stopping = threading.Event()
        self._seats = threading.BoundedSemaphore(MOST_VISITORS)
        self._lock = threading.Lock()
        self._visitors: dict[threading.Thread, socket.socket] = {}
        self._listener: socket.socket | None = None
        self._shut = ""
        self._thread = threading.Thread(target=self._run, name="control", daemon=True)

    def start(self) -> None:
        """Open the door, so that it is there once the agent says that it is ready, and start the thread."""
        self._open()
        self._thread.start()

    def stop(self, deadline_s: float) -> None:
        """Shut the door and send everybody away."""
        ends_at = self._clock.monotonic() + min(deadline_s, GOODBYE_S)
        self._stopping.set()
        with self._lock:
            leaving = list(self._visitors.items())
        for _, line in leaving:
            with contextlib.suppress(OSError):
                line.shutdown(socket.SHUT_RDWR)
        self._knock()
        for thread in (self._thread, *(visitor for visitor, _ in leaving)):
            if thread.is_alive():
                thread.join(max(0.0, ends_at - self._clock.monotonic()))

    def alive(self) -> bool:
        """Does the thread run?"""
        return self._thread.is_alive()

    def progress(self) -> float:
        """When it last turned."""
        return self._progress

    # -- the door ------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            while not self._stopping.is_set():
                self._progress = self._clock.monotonic()
                if self._listener is None and not self._open():
                    self._stopping.wait(OPEN_AGAIN_S)
                elif self._listener is not None and self._seats.acquire(timeout=POLL_S):
                    self._let_in(self._listener)
        finally:
            if self._listener is not None:
                self._listener.close()
                with contextlib.suppress(OSError):  # of a disk that can't be written
                    (self._data_dir / SOCKET).unlink(missing_ok=True)

    def _open(self) -> bool:
        """Listen. What a kill left there is taken away: whoever gets here holds the data directory's lock."""
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            os.fchmod(listener.fileno(), 0o600)  # before it has a name: nobody slips in
            with _address(self._data_dir) as address:
                if (self._data_dir / SOCKET).is_socket():
                    (self._data_dir / SOCKET).unlink()
                listener.bind(address)
            listener.listen(MOST_VISITORS)
            listener.settimeout(POLL_S)
        except OSError as exc:
            listener.close()
            if str(exc) != self._shut:
                self._shut = str(exc)
                _log.error("control.not_opened", reason=str(exc), file=str(self._data_dir / SOCKET))
            return False
        self._listener, self._shut = listener, ""
        return True

    def _knock(self) -> None:
        """Wake the thread that waits at the door."""
        with (
            contextlib.suppress(OSError),
            socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK) as line,
            _address(self._data_dir) as address,
        ):
            line.connect(address)

    def _let_in(self, listener: socket.socket) -> None:
        try:
            line, _ = listener.accept()
        except TimeoutError:
            self._seats.release()
            return
        except OSError as exc:  # out of descriptors, perhaps
            self._seats.release()
            _log.warning("control.accept_failed", reason=str(exc))
            self._stopping.wait(OPEN_AGAIN_S)
            return
        if self._stopping.is_set():
            line.close()
            self._seats.release()
            return
        visitor = threading.Thread(target=self._serve, args=(line,), name="control-visitor", daemon=True)
        with self._lock:
            self._visitors[visitor] = line
        try:
            visitor.start()
        except RuntimeError as exc:  # no more threads for us
            _log.warning("control.accept_failed", reason=str(exc))
            line.close()
            self._leave(visitor)

    # -- one visitor ---------------------------------------------------------------------------------------------

    def _serve(self, line: socket.socket) -> None:
        try:
            with line:
                request = read_line(line, LONGEST_REQUEST, self._clock, SPEAK_S)
                if request:
                    answer = self._answer(request, _user_of(line))
                    line.settimeout(LISTEN_S)  # for all of it: see socket.sendall
                    line.sendall(answer)
        except OSError as exc:
            _log.debug("control.visitor_lost", reason=str(exc))
        finally:
            self._leave(threading.current_thread())

    def _leave(self, visitor: threading.Thread) -> None:
        with self._lock:
            del self._visitors[visitor]
        self._seats.release()

    def _answer(self, line: bytes, by: str) -> bytes:
        try:
            return _encode({"ok": True, **self._handle(line, Visit(by, self._stopping))})
        except AgentError as exc:
            return _encode({"ok": False, "error": str(exc), **({"zh": exc.zh} if exc.zh else {})})
        except Exception as exc:  # noqa: BLE001  the outermost frame of a visitor's thread: the next one is served
            _log.exception("control.request_failed")
            return _encode({"ok": False, "error": f"the agent could not answer: {type(exc).__name__}: {exc}"})

    def _handle(self, line: bytes, visit: Visit) -> dict[str, Any]:
        if not line.endswith(b"\n"):
            raise CommandRefused(f"one line of JSON is wanted, of at most {LONGEST_REQUEST} bytes, within {SPEAK_S} s")
        try:
            request = msgspec.json.decode(line, type=dict[str, Any])
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as exc:
            raise CommandRefused(f"one JSON object is wanted: {exc}") from exc
        wanted = request.pop("do", None)
        handler = self._handlers.get(wanted) if isinstance(wanted, str) else None
        if handler is None:
            raise CommandRefused(f"nothing is called {str(wanted)[:50]!r} here; there is {', '.join(self._handlers)}")
        return handler(request, visit)


def ask(data_dir: Path, request: Mapping[str, Any], timeout_s: float) -> dict[str, Any]:
    """Ask the agent that works in this data directory; its answer. Blocks for at most `timeout_s` seconds.

    Raises:
        AgentNotRunning: nobody answers there; the text says what to do.
        CommandRefused: the agent would not; the text says why.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as line:
        try:
            clock = SystemClock()
            ends_at = clock.monotonic() + timeout_s
            line.settimeout(timeout_s)
            with _address(data_dir) as address:
                _connect(line, address, clock, ends_at)
            line.sendall(_encode(dict(request)))
            answer = read_line(line, LONGEST_ANSWER, clock, max(0.0, ends_at - clock.monotonic()))
        except OSError as exc:
            raise AgentNotRunning(*_nobody(exc, data_dir, timeout_s)) from exc
    if not answer.endswith(b"\n"):
        raise AgentNotRunning(
            "the agent gave no answer: it is stopping, or too busy; try again, and look what was done",
            "程序没有回答，它正在停止或太忙：请再试，先看做了没有",
        )
    told = msgspec.json.decode(answer, type=dict[str, Any])
    if not told.pop("ok", False):
        raise CommandRefused(str(told.get("error", "refused, without a word")), str(told.get("zh", "")))
    return told


def read_line(line: socket.socket, most: int, clock: Clock, timeout_s: float) -> bytes:
    """One line with its end; less where the other one hangs up, is too slow or says more than `most` bytes."""
    ends_at = clock.monotonic() + timeout_s
    said = bytearray()
    while not said.endswith(b"\n") and len(said) <= most and (left_s := ends_at - clock.monotonic()) > 0:
        line.settimeout(left_s)
        try:
            data = line.recv(65536)
        except TimeoutError:
            break
        if not data:
            break
        said += data
    return bytes(said)


@contextlib.contextmanager
def _address(data_dir: Path) -> Iterator[str]:
    """The socket's name for bind and connect, which take 107 bytes: through the open folder, whatever its path."""
    folder = os.open(data_dir, os.O_PATH | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{folder}/{SOCKET}"
    finally:
        os.close(folder)


def _connect(line: socket.socket, address: str, clock: Clock, ends_at: float) -> None:
    """While all seats are taken and the queue before the door is full, try again."""
    while True:
        try:
            line.connect(address)
            return
        except BlockingIOError:
            if clock.monotonic() > ends_at:
                raise
            threading.Event().wait(0.05)


def _nobody(exc: OSError, data_dir: Path, timeout_s: float) -> tuple[str, str]:
    """Why, in English and in Chinese."""
    if isinstance(exc, PermissionError):
        en = f"this user may not ask the agent in {data_dir}: run it with sudo, or as the service's user"
        return en, "没有权限，请用 sudo 运行"
    if exc.errno in (errno.ENOENT, errno.ENOTDIR, errno.ECONNREFUSED, errno.ENXIO):
        en = f"the agent is not running here ({data_dir}): start it, or name its configuration with --config"
        return en, "程序没有运行：sudo systemctl start shop-agent"
    if isinstance(exc, TimeoutError | BlockingIOError):
        en = f"the agent in {data_dir} did not answer within {timeout_s:.0f} s: try again, or see its log"
        return en, f"程序 {timeout_s:.0f} 秒没有回答：请再试，或看日志"
    en = f"the agent in {data_dir} can't be asked ({exc.strerror}): try again, or see its log"
    return en, f"问不到程序（{exc.strerror}）：请再试，或看日志"


def _user_of(line: socket.socket) -> str:
    credentials = line.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    _, uid, _ = _CREDENTIALS.unpack(credentials)
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user {uid}"


def _encode(said: dict[str, Any]) -> bytes:
    return msgspec.json.encode(said) + b"\n"
