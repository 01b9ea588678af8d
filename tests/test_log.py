"""What a log line looks like, and that nobody's text can look like another line."""

import io
import logging
import os
import re
import subprocess
import sys
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent import log

FIELD = re.compile(r'[^ "\'=\\]+|"(?:[^"\\]|\\.)*"')


@pytest.fixture(autouse=True)
def logging_put_back() -> Iterator[None]:
    """Leave the process's logging as it was."""
    root, ours = logging.getLogger(), logging.getLogger("agent")
    handlers, level = root.handlers[:], ours.level
    yield
    root.handlers[:] = handlers
    ours.setLevel(level)


def lines(level: str = "info", *, service: bool = False) -> tuple[io.StringIO, log.Logger]:
    """A stream that takes the lines, and a logger that writes them."""
    stream = io.StringIO()
    log.configure(level, stream, service=service)
    return stream, log.get("intake")


def test_line_for_a_person() -> None:
    """Time, level, event and fields, in this order, on one line."""
    stream, logger = lines()
    logger.info("intake.duplicate_dropped", order="42", printer="kitchen")
    line = stream.getvalue()
    assert re.fullmatch(
        r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z info intake\.duplicate_dropped order=42 printer=kitchen\n",
        line,
    )


@pytest.mark.parametrize(("level", "priority"), [("debug", 7), ("info", 6), ("warning", 4), ("error", 3)])
def test_line_for_the_journal(level: str, priority: int) -> None:
    """Under systemd the priority stands first, and there is no time: the journal has its own."""
    stream, logger = lines("debug", service=True)
    getattr(logger, level)("spool.ticket_held", printer="bar")
    assert stream.getvalue() == f"<{priority}>spool.ticket_held printer=bar\n"


VALUES = [
    ("42", "42"),
    ("红烧肉", "红烧肉"),
    ("a b", '"a b"'),
    ("", '""'),
    ('say "hi"', '"say \\"hi\\""'),
    ("a=b", '"a=b"'),
    ("back\\slash", '"back\\\\slash"'),
    ("a\nerror forged=1", '"a\\nerror forged=1"'),
    ("\x1b[2J", '"\\x1b[2J"'),
    ("\u202etxt", '"\\u202etxt"'),
    ("\ud800", '"\\ud800"'),
    (7, "7"),
    (True, "yes"),
    (None, "-"),
    (0.25, "0.25"),
    (2.0, "2"),
    (1 / 3, "0.333"),
]


@pytest.mark.parametrize(("value", "shown"), VALUES)
def test_value_is_quoted_where_it_must_be(value: object, shown: str) -> None:
    """A plain word stays bare; anything else is quoted, and control characters show as their codes."""
    assert log.quote(value) == shown


@given(st.text())
def test_no_value_leaves_its_field(text: str) -> None:
    """Whatever a customer wrote, it is one field on one line, and not a long one."""
    shown = log.quote(text)
    assert shown.isprintable()
    assert FIELD.fullmatch(shown)


def test_long_value_is_shortened() -> None:
    """A value is shown up to 400 characters, and says how many are left out."""
    assert log.quote("x" * 500) == "x" * 400 + "…(+100)"


class Costly:
    """A value that must not be shown."""

    def __str__(self) -> str:
        raise AssertionError("shown though the level is off")


def test_disabled_level_costs_nothing() -> None:
    """Below the level nothing is formatted and nothing is written."""
    stream, logger = lines("warning")
    logger.debug("intake.event_seen", event=Costly())
    logger.info("intake.event_seen", event=Costly())
    assert stream.getvalue() == ""


def test_traceback_lines_can_not_pass_for_log_lines() -> None:
    """Each line of a traceback is marked, also those of the exception's own text."""
    stream, logger = lines(service=True)
    try:
        raise ValueError("bad\n<6>broker.connected\x1b[0m")
    except ValueError:
        logger.exception("intake.loop_failed", room="intake")
    first, *rest = stream.getvalue().splitlines()
    assert first == "<3>intake.loop_failed room=intake"
    assert all(line.startswith("<3>    | ") for line in rest)
    assert rest[-1] == "<3>    | <6>broker.connected\\x1b[0m"


def test_other_libraries_warnings_are_shown_as_theirs() -> None:
    """A library's record is one line too, with its text quoted."""
    stream, _ = lines()
    logging.getLogger("paho").warning("lost\n%s", "line")
    assert stream.getvalue().endswith('warning log.library_said library=paho text="lost\\nline"\n')


@pytest.mark.parametrize("ours", [True, False])
def test_journal_is_recognised_by_its_own_socket(ours: bool) -> None:
    """$JOURNAL_STREAM counts only when it names our stderr: a terminal may have inherited it."""
    reader, writer = os.pipe()
    stat = os.fstat(writer)
    stream = f"{stat.st_dev}:{stat.st_ino if ours else 1}"
    code = "from agent import log; log.configure(); log.get('x').info('x.happened')"
    try:
        subprocess.run(
            [sys.executable, "-c", code],
            stderr=writer,
            check=True,
            env={**os.environ, "JOURNAL_STREAM": stream},
        )
    finally:
        os.close(writer)
    with os.fdopen(reader) as said:
        assert said.read().startswith("<6>x.happened") is ours
