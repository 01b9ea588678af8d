"""What many tests stand on; and `--printer LINK`, which runs the conformance suite on a printer that is at hand, and
nothing else. Its report comes last.
"""

import signal
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from agent.journal.store import Journal
from agent.simulator.stage import Mosquitto
from tests.office import Said, listening
from tests.scripted_broker import ScriptedBroker

REPORT = "printer_report"
HARDWARE = "at_hand"


@pytest.fixture(scope="session", autouse=True)
def ctrl_c() -> None:
    """A shell starts what runs in its background deaf to Ctrl-C, and so would be what tests start."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    """Whatever a test started is ended with it."""
    with ExitStack() as stack:
        yield stack


@pytest.fixture(scope="module")
def mosquitto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mosquitto]:
    """A real broker of our own."""
    with Mosquitto(tmp_path_factory.mktemp("broker")) as mosquitto:
        yield mosquitto


@pytest.fixture
def broker() -> Iterator[ScriptedBroker]:
    """One that does just what the test says."""
    with ScriptedBroker() as here:
        yield here


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    """A ledger."""
    journal = Journal(tmp_path / "journal.db")
    journal.start()
    yield journal
    journal.stop(5)


@pytest.fixture
def said() -> Iterator[Said]:
    """The log."""
    with listening() as here:
        yield here


def pytest_addoption(parser: pytest.Parser) -> None:
    """The options of a run on a real printer."""
    group = parser.getgroup("printer")
    group.addoption("--printer", metavar="LINK", help="check this printer, such as tcp://192.168.1.50:9100")
    group.addoption("--no-paper", action="store_true", help="print nothing on it")


def pytest_configure(config: pytest.Config) -> None:
    """The mark of the tests that want a printer."""
    config.addinivalue_line("markers", f"{HARDWARE}: runs on the printer of --printer only")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """With a printer those that want one, without it all others."""
    wanted = config.getoption("--printer") is not None
    other = [item for item in items if (item.get_closest_marker(HARDWARE) is not None) is not wanted]
    config.hook.pytest_deselected(items=other)
    items[:] = [item for item in items if item not in other]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """The report, as it can be sent."""
    for reports in terminalreporter.stats.values():
        for report in reports:
            for name, value in getattr(report, "user_properties", ()):
                if name == REPORT and report.when == "call":
                    terminalreporter.section("printer")
                    terminalreporter.write(str(value))
