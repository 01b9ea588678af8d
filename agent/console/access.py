"""Who may change things here: a PIN that the shop chose, and who knows the code that the box printed may choose it.

One small file, apart from the journal: also a journal that had to be set aside leaves the shop its PIN. Sessions are
counted and not dated: a box without a clock battery may believe in any year.
"""

import contextlib
import fcntl
import hashlib
import hmac
import itertools
import os
import secrets
import threading
from collections.abc import Iterator
from pathlib import Path

import msgspec

from agent import atomicfile, log

FILE = "access.json"
SHORTEST_PIN, LONGEST_PIN = 6, 12
CODE_LENGTH = 8
MOST_SESSIONS, MOST_TRIES, MOST_CODES = 40, 200, 3
_LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"
"""None that is read for another."""
_N, _R, _P = 1 << 14, 8, 1
_log = log.get("console")


class _Secret(msgspec.Struct, frozen=True):
    """A PIN, scrypted; all in hexadecimal."""

    salt: str
    hash: str


class _State(msgspec.Struct, frozen=True):
    """What the file holds. `codes` are digests of those that were printed, the newest last, and `told` of the one that
    root was told; valid until one is used, or they are guessed at too often (`tries`). `sessions` are digests, too, the
    oldest first.
    """

    pin: _Secret | None = None
    codes: tuple[str, ...] = ()
    told: str = ""
    tries: int = 0
    sessions: tuple[str, ...] = ()
    welcome: bool = False


_READ = msgspec.json.Decoder(_State)


class Access:
    """Safe for several threads. A file that can't be read counts as a box that is not claimed: its code is printed."""

    def __init__(self, data_dir: Path) -> None:
        self._path = data_dir / FILE
        self._lock = threading.Lock()
        self._stamp: tuple[int, int] | None = None
        self._state = _State()

    @property
    def claimed(self) -> bool:
        """Did the shop choose a PIN?"""
        return self._now().pin is not None

    @property
    def welcome_due(self) -> bool:
        """Is this a new box whose first ticket, with the code, was not printed yet?"""
        state = self._now()
        return state.welcome and state.pin is None

    def expect_welcome(self) -> None:
        """From now on this is a new box."""
        with self._alone() as state:
            self._keep(msgspec.structs.replace(state, welcome=True))

    def welcomed(self) -> None:
        """Its first ticket is on the way."""
        with self._alone() as state:
            self._keep(msgspec.structs.replace(state, welcome=False))

    def issue_code(self) -> str:
        """A new code, to be printed. The last few count, so that nobody who has one printed voids another's."""
        code = _new_code()
        with self._alone() as state:
            codes = (*state.codes, _digest(code))[-MOST_CODES:]
            self._keep(msgspec.structs.replace(state, codes=codes, tries=0))
        return code

    def tell_code(self) -> str:
        """A new code, to be told to root at the box; the one that was told before counts no longer."""
        code = _new_code()
        with self._alone() as state:
            self._keep(msgspec.structs.replace(state, told=_digest(code), tries=0))
        return code

    def choose_pin(self, code: str, pin: str) -> bool:
        """Who knows a code chooses the PIN. All codes are used up, and everybody is signed out. False: it is none."""
        said = _digest(_plain(code))
        with self._alone() as state:
            known = [each for each in (*state.codes, state.told) if each]
            if said in known:
                salt = secrets.token_bytes(16)
                self._keep(_State(pin=_Secret(salt.hex(), _scrypt(pin, salt))))
                _log.warning("console.pin_chosen")
                return True
            if known and state.tries + 1 >= MOST_TRIES:
                self._keep(msgspec.structs.replace(state, codes=(), told="", tries=0))
            elif known:
                self._keep(msgspec.structs.replace(state, tries=state.tries + 1))
            return False

    def is_pin(self, pin: str) -> bool:
        """Is it the shop's PIN? Takes 50 ms and 16 MiB."""
        secret = self._now().pin
        salt = bytes.fromhex(secret.salt) if secret is not None else b"nobody"
        return hmac.compare_digest(_scrypt(pin, salt), secret.hash if secret is not None else "")

    def sign_in(self) -> str:
        """A new session's token, for a cookie."""
        token = secrets.token_urlsafe(32)
        with self._alone() as state:
            sessions = (*state.sessions, _digest(token))[-MOST_SESSIONS:]
            self._keep(msgspec.structs.replace(state, sessions=sessions))
        return token

    def sign_out(self, token: str) -> None:
        """It counts no longer."""
        with self._alone() as state:
            sessions = tuple(each for each in state.sessions if each != _digest(token))
            self._keep(msgspec.structs.replace(state, sessions=sessions))

    def is_session(self, token: str) -> bool:
        """Did somebody sign in with it who may still be here?"""
        return bool(token) and _digest(token) in self._now().sessions

    # -- the file --------------------------------------------------------------------------------------------------

    def _now(self) -> _State:
        with self._lock:
            return self._load()

    def _load(self) -> _State:
        """What stands in the file, also when the command line has just written it."""
        try:
            found = self._path.stat()
            if self._stamp != (found.st_mtime_ns, found.st_ino):
                self._state = _READ.decode(self._path.read_bytes())
                self._stamp = (found.st_mtime_ns, found.st_ino)
        except FileNotFoundError:
            self._state, self._stamp = _State(), None
        except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as exc:
            _log.error("console.access_unreadable", file=str(self._path), reason=str(exc))
            self._state, self._stamp = _State(), None
        return self._state

    def _keep(self, state: _State) -> None:
        """On disk before it counts. Raises OSError."""
        atomicfile.replace(self._path, msgspec.json.encode(state), mode=0o600)
        self._state, self._stamp = state, None

    @contextlib.contextmanager
    def _alone(self) -> Iterator[_State]:
        """The only one that changes the file: another thread waits, and so does the command line."""
        with self._lock, os.fdopen(atomicfile.open_own(self._path.with_suffix(".lock")), "rb") as file:
            with contextlib.suppress(PermissionError):
                os.fchmod(file.fileno(), 0o600)
            fcntl.flock(file, fcntl.LOCK_EX)
            yield self._load()


def pin_problem(pin: str) -> tuple[str, str]:
    """Why it can't be a PIN, in Chinese and English; empty where it can."""
    if not (pin.isascii() and pin.isdigit() and SHORTEST_PIN <= len(pin) <= LONGEST_PIN):
        return (f"请用 {SHORTEST_PIN} 到 {LONGEST_PIN} 位数字", f"use {SHORTEST_PIN} to {LONGEST_PIN} digits")
    steps = {(int(after) - int(before)) % 10 for before, after in itertools.pairwise(pin)}
    if len(steps) == 1 and steps <= {0, 1, 9}:
        return ("太容易猜：不要用 111111 或 123456", "too easy to guess: not 111111 or 123456")
    return ("", "")


def _new_code() -> str:
    return "".join(secrets.choice(_LETTERS) for _ in range(CODE_LENGTH))


def _plain(said: str) -> str:
    return "".join(said.split()).replace("-", "").upper()[:64]


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def _scrypt(pin: str, salt: bytes) -> str:
    return hashlib.scrypt(pin.encode("utf-8", "surrogatepass"), salt=salt, n=_N, r=_R, p=_P, dklen=32).hex()
