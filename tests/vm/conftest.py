"""How pytest and the guest go together: a test marked `in_guest` runs there, and its result is told here.

SHOP_AGENT_VM is unset in a normal run (everything here is skipped), `1` by scripts/test --vm, `inside` in the guest.
Each worker has one guest for them, booted when the first comes; what was chosen of a file runs there in one go.
"""

import json
import os
import re
import time
from collections.abc import Generator, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.vm.box import Box, booted
from tests.vm.channel import GuestGone
from tests.vm.image import NotHere

HERE = Path(__file__).parent
MODE = os.environ.get("SHOP_AGENT_VM", "")
TEST_S = 240.0
FIRST_BUILD_S = 1800.0
ON_THEIR_OWN = ("test_box_nights", "test_box_conditions", "test_box_update")
"""Files whose scenes have a box each."""
ORDER = (
    *("box_update", r"box_nights.*\[1-", "box_plugged", "test_usb", "box_conditions.*year"),
    *("box_day", "box_nights", "box_first_ticket", "box_conditions", "box_panic", "box_arm64"),
)
"""So that the guests are done at about the same time: a worker is given a second piece as it begins with its first, so
behind each of the longest stands one that is short, or that waits more than it works.
"""
_MARK = "@vm-report "
_QUIETLY = ("-s", "-p", "pytest_timeout", "--no-header", "--no-summary", "--tb=short", "--runxfail")
"""xfail is for the host's pytest to judge."""


class Guest:
    """The one guest of this session and what pytest says in there."""

    def __init__(self, session: pytest.Session) -> None:
        self._session = session
        self._stack = ExitStack()
        self._lines: Iterator[str] = iter(())
        self._box: Box | None = None
        self._results: dict[str, dict[str, Any]] = {}
        self._why_not = ""
        self._asked: set[Path] = set()

    def result(self, test: pytest.Item) -> dict[str, Any]:
        """What became of a test; waits for it. What was printed until then is printed here."""
        if self._box is None and not self._why_not:
            self._start()
        if self._why_not:
            raise NotHere(self._why_not)
        if test.path not in self._asked:
            self._ask(test.path)
        while test.nodeid not in self._results:
            self._results |= self._next()
        return self._results[test.nodeid]

    def close(self) -> None:
        """Switch it off."""
        self._stack.close()

    def _start(self) -> None:
        started = time.monotonic()
        try:
            self._box = self._stack.enter_context(booted())
        except NotHere as exc:
            self._why_not = str(exc)
            return
        print(f"the guest is up after {time.monotonic() - started:.1f} s")

    def _ask(self, file: Path) -> None:
        assert self._box is not None
        for _ in self._lines:  # the file before has the guest to itself to its end
            pass
        self._asked.add(file)
        wanted = [item.nodeid for item in self._session.items if item.path == file and _is_for_guest(item)]
        command = ["python", "-m", "pytest", *_QUIETLY, *wanted]
        self._lines = self._box.start(command, PYTEST_DISABLE_PLUGIN_AUTOLOAD="1").lines(TEST_S * len(wanted))

    def _next(self) -> dict[str, dict[str, Any]]:
        for line in self._lines:
            if line.startswith(_MARK):
                report = json.loads(line.removeprefix(_MARK))
                return {report["nodeid"]: report}
            print(line)
        raise GuestGone("pytest ended in the guest before this test")


def _is_for_guest(item: pytest.Item) -> bool:
    return item.get_closest_marker("in_guest") is not None


def pytest_configure(config: pytest.Config) -> None:
    """The mark of this folder."""
    config.addinivalue_line("markers", "in_guest: runs inside the guest of tests/vm")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip everything in a normal run; give the rest the time that a guest takes."""
    if MODE == "1":
        items.sort(key=_when)
    for item in items:
        if HERE not in item.path.parents:
            continue
        if not MODE:
            item.add_marker(pytest.mark.skip(reason="boots a guest machine: run scripts/test --vm"))
        elif MODE != "inside":
            item.add_marker(pytest.mark.timeout(FIRST_BUILD_S))


def _when(item: pytest.Item) -> int:
    return next((number for number, name in enumerate(ORDER) if re.search(name, item.nodeid)), len(ORDER))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> object:
    """A worker is given all scenes of the guest, which boots once; or a file whose scenes share a box; or one scene of
    those with a box each.
    """
    from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]  # the guest has none

    def piece(nodeid: str) -> str:
        file = Path(nodeid.partition("::")[0]).stem
        if not file.startswith("test_box"):
            return "the guest"
        return nodeid if file in ON_THEIR_OWN else file

    config.option.loadscopereorder = False
    scheduler = LoadScopeScheduling(config, log)
    scheduler._split_scope = piece
    return scheduler


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call() -> Generator[None, object, object]:
    """A machine that can't run a guest is no failure."""
    try:
        return (yield)
    except NotHere as exc:
        pytest.skip(str(exc))


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """On the host, a test of the guest is not called but asked for."""
    if MODE == "inside" or not _is_for_guest(pyfuncitem):
        return None
    report = _guest(pyfuncitem.session).result(pyfuncitem)
    if report["outcome"] == "skipped":
        pytest.skip(report["said"])
    if report["outcome"] == "failed":
        pytest.fail(f"in the guest:\n{report['said']}", pytrace=False)
    return True


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """In the guest: tell the host how a test ended; a failed set-up or tear-down counts too."""
    if MODE == "inside" and (report.when == "call" or report.outcome != "passed"):
        skipped = report.longrepr[2] if isinstance(report.longrepr, tuple) else None
        said = skipped or report.longreprtext
        message = {"nodeid": report.nodeid, "outcome": report.outcome, "said": said, "seconds": report.duration}
        print(f"\n{_MARK}{json.dumps(message)}", flush=True)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """The guest ends with the session."""
    if _GUEST in session.stash:
        session.stash[_GUEST].close()


_GUEST = pytest.StashKey[Guest]()


def _guest(session: pytest.Session) -> Guest:
    return session.stash.setdefault(_GUEST, Guest(session))
