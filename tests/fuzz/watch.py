"""One input at a time, watched: what it raises, how long it takes. Runs in a process of its own."""

import logging
import re
import resource
import signal
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import msgspec

from tests.fuzz.mutate import Mutator
from tests.fuzz.target import Target

LONGEST_S = 1.0
"""CPU time of one input. Ten times what the slowest takes: the machine is shared."""
MOST_MEMORY = 2 << 30
MOST_OUTCOMES = 20_000
_NUMBERS = re.compile(r"\d+|'[^']*'|`[^`]*`|\"[^\"]*\"")


class Hang(BaseException):
    """An input took too long. No `except Exception` on the way may swallow it."""


class Finding(msgspec.Struct, frozen=True):
    """An input that broke a rule; `place` is the same for those of the same cause."""

    target: str
    place: str
    trace: str
    data: bytes


class Slice(msgspec.Struct):
    """What one stretch of work on one target brought."""

    target: str
    inputs: int = 0
    took_s: float = 0.0
    outcomes: int = 0
    slowest_s: float = 0.0
    slowest: bytes = b""
    findings: list[Finding] = []


class Watch:
    """A target, its mutator, and what it did so far."""

    def __init__(self, target: Target, seed: int) -> None:
        self.target = target
        self._mutator = Mutator(target.seeds, target.words, seed)
        self._seen: set[str] = set()
        self._places: set[str] = set()
        self._fresh = list(target.seeds)

    def run(self, until: float, most: int) -> Slice:
        """Feed it until that time of the monotonic clock, or that many inputs; the seeds themselves come first."""
        done = Slice(self.target.name)
        began = time.perf_counter()
        now = began
        offset = time.monotonic() - began
        with _bounded():
            while done.inputs < most and now + offset < until:
                data = self._fresh.pop() if self._fresh else self._mutator.next()
                before = time.process_time()
                self._feed(data, done)
                used_s = time.process_time() - before
                now = time.perf_counter()
                done.inputs += 1
                if used_s > done.slowest_s:
                    done.slowest_s, done.slowest = used_s, data
        done.took_s = now - began
        return done

    def _feed(self, data: bytes, done: Slice) -> None:
        signal.setitimer(signal.ITIMER_PROF, LONGEST_S)
        try:
            outcome = self.target.feed(data)
        except self.target.documented as exc:
            outcome = f"{type(exc).__name__}: {_NUMBERS.sub('#', str(exc)[:300])}"
        except (Exception, Hang) as exc:  # noqa: BLE001  whatever it is, it is a finding
            signal.setitimer(signal.ITIMER_PROF, 0)
            self._found(exc, data, done)
            return
        signal.setitimer(signal.ITIMER_PROF, 0)
        if outcome not in self._seen and len(self._seen) < MOST_OUTCOMES:
            self._seen.add(outcome)
            self._mutator.keep(data)
            done.outcomes += 1

    def _found(self, exc: BaseException, data: bytes, done: Slice) -> None:
        frames = traceback.extract_tb(exc.__traceback__)
        where = frames[-1] if not isinstance(exc, Hang) else frames[min(2, len(frames) - 1)]
        place = f"{type(exc).__name__} at {where.filename}:{where.lineno}"
        if place not in self._places:
            self._places.add(place)
            done.findings.append(Finding(self.target.name, place, "".join(traceback.format_exception(exc)), data))


def _too_long(_number: int, _frame: FrameType | None) -> None:
    raise Hang(f"it took more than {LONGEST_S} s of CPU time")


@contextmanager
def _bounded() -> Iterator[None]:
    before = signal.signal(signal.SIGPROF, _too_long)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def settle_down() -> None:
    """This process may not grow beyond that: an input that eats memory is a MemoryError, and so a finding. Nor does it
    log: each input would.
    """
    logging.disable(logging.CRITICAL)
    resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))
