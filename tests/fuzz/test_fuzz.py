"""A few seconds of what scripts/fuzz does for hours: each target on its seeds and on inputs made of them."""

import logging
import sys
import time
from collections.abc import Iterator

import pytest

from tests.fuzz import watch
from tests.fuzz.mutate import Mutator
from tests.fuzz.target import Target
from tests.fuzz.targets import targets
from tests.fuzz.watch import Watch

ALL = targets()
EACH_S, MOST_INPUTS = 0.5, 400


@pytest.fixture(autouse=True)
def _silence() -> Iterator[None]:
    """Each input would be logged."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.parametrize("target", ALL, ids=lambda target: target.name)
def test_only_documented_errors_and_sane_outputs(target: Target) -> None:
    """Whatever comes in: an error that is documented, within its CPU time, or an output that keeps the rules."""
    seeds = len(target.seeds)
    done = Watch(target, seed=1).run(time.monotonic() + EACH_S, seeds + MOST_INPUTS)
    assert [finding.trace for finding in done.findings] == []
    assert done.inputs > 0


@pytest.mark.parametrize("target", ALL, ids=lambda target: target.name)
def test_a_good_input_is_taken(target: Target) -> None:
    """A target that refuses everything would find nothing."""
    taken = 0
    for seed in target.seeds:
        try:
            target.feed(seed)
            taken += 1
        except target.documented:
            pass
    assert taken > 0


def _fails(data: bytes) -> str:
    if b"\xff" in data:
        raise KeyError("a crash")
    if b"\x00\x00" in data:
        while True:
            pass
    assert b"bad" not in data
    return str(len(data))


def test_fuzzer_finds_a_crash_a_broken_rule_and_a_hang(monkeypatch: pytest.MonkeyPatch) -> None:
    """One of each is planted; a fuzzer that finds none of them proves nothing."""
    monkeypatch.setattr(watch, "LONGEST_S", 0.02)
    planted = Target("planted", _fails, [b"abc"], [b"bad", b"\xff", b"\0\0"])
    done = Watch(planted, seed=3).run(time.monotonic() + 20, 300)
    assert {finding.place.split()[0] for finding in done.findings} == {"KeyError", "AssertionError", "Hang"}


def test_same_seed_makes_the_same_inputs() -> None:
    """What was found can be found again."""
    one, other = (Mutator([b'{"a": [1, "x"]}', b"plain"], [b"w"], 5) for _ in range(2))
    made = [one.next() for _ in range(500)]
    assert made == [other.next() for _ in range(500)]
    assert len(set(made)) > 300
    assert sys.getsizeof(b"".join(made)) < 10_000_000
