"""`--printer LINK` runs the conformance suite on a printer that is at hand, and nothing else; the report comes last."""

import pytest

REPORT = "printer_report"
HARDWARE = "at_hand"


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
