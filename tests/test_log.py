"""What a log line looks like, and that nobody's text can look like another line."""

import io
import logging
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent import log
from agent.bundle import redacted
from agent.journald import field_name

FIELD = re.compile(r'[^ "\'=\\]+|"(?:[^"\\]|\\.)*"')


@pytest.fixture(autouse=True)
def logging_put_back() -> Iterator[None]:
    """Leave the process's logging as it was."""
    root, ours = logging.getLogger(), logging.getLogger("agent")
    handlers, level = root.handlers[:], ours.level
    yield
    for handler in set(root.handlers) - set(handlers):
        handler.close()
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
    code = "from agent import log; log.configure(journal='/nowhere'); log.get('x').info('x.happened')"
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


SECRETS = [
    ("password", "hunter2", "***"),
    ("broker_password", "hunter2", "***"),
    ("access_token", 4711, "***"),
    ("apiKey", "k", "***"),
    ("client_secret", None, "-"),
    ("url", "mqtts://shop:hunter2@b.example/x", "mqtts://***@b.example/x"),
    (
        "reason",
        "no answer from https://q.example/send?key=hunter2&a=1",
        '"no answer from https://q.example/send?key=***&a=1"',
    ),
    ("reason", "POST https://o.example/s?access_token=hunter2", '"POST https://o.example/s?access_token=***"'),
    ("url", "mqtts://shop:hun@ter2@b.example/x", "mqtts://***@b.example/x"),
    ("url", "mqtts://shop:hunter2/a@b.example/x", "mqtts://***@b.example/x"),
    ("reason", "from a://u:hunter2@x to b://u:hunter2@y", '"from a://***@x to b://***@y"'),
    ("monkey", "banana", "banana"),
    ("order", "a@b?key=1", '"a@b?key=1"'),
]


@pytest.mark.parametrize(("name", "value", "shown"), SECRETS)
def test_secrets_are_black(name: str, value: object, shown: str) -> None:
    """What is named like a secret, and what a URL hides; an order's id is nobody's secret."""
    stream, logger = lines(service=True)
    logger.error("x.happened", **{name: value})
    assert stream.getvalue() == f"<3>x.happened {name}={shown}\n"


_NO_BLANK = st.text(st.characters(exclude_categories=("Cc", "Cs", "Zs", "Zl", "Zp")), max_size=12)


@given(before=_NO_BLANK, after=_NO_BLANK, around=st.text(max_size=12))
def test_password_in_a_url_is_black_whatever_stands_in_it(before: str, after: str, around: str) -> None:
    """Also one with `@`, `/`, `:` or `?` that nobody escaped: neither a line of the log nor a bundle says a part."""
    url = f"mqtts://shop:{before}hunter2{after}@b.example:8883"
    assert "hunter2" not in log.plain("reason", f"{around} {url} {around}")
    told = redacted({"url": url, "more": [f"{around} {url}"]})
    assert told["url"] == "mqtts://***@b.example:8883"
    assert "hunter2" not in told["more"][0]


def test_long_text_full_of_urls_costs_no_time() -> None:
    """A library's text has no bound, and is looked at before it is shortened."""
    began = time.monotonic()
    for text in ("://" * 100_000, "://" + "?a=" * 100_000, "://" + "?" * 100_000, "://@" * 100_000):
        log.plain("reason", text)
    assert time.monotonic() - began < 2


def test_secret_in_a_traceback_and_in_a_librarys_text_is_black() -> None:
    """Others' words pass through the same sieve."""
    stream, logger = lines(service=True)
    try:
        raise OSError("https://q.example/send?key=hunter2 is away")
    except OSError:
        logger.exception("x.failed")
    logging.getLogger("paho").warning("connect mqtt://u:hunter2@b.example failed")
    assert "hunter2" not in stream.getvalue()
    assert stream.getvalue().count("***") == 3  # the line of this file, too


def test_record_is_never_endless() -> None:
    """However many fields, and however deep the traceback: what follows is still read by somebody."""
    stream, logger = lines(service=True)
    try:
        _fall(200)
    except ValueError:
        logger.exception("x.failed", **{f"field{number}": "x" * 1000 for number in range(100)})
    first, *rest = stream.getvalue().splitlines()
    assert len(first) < log.MAX_LINE + 20
    assert len(rest) == log.MAX_TRACEBACK_LINES + 1
    assert re.fullmatch(r"<3>    \| \(\+\d+ lines\)", rest[0])
    assert rest[-1].endswith("ValueError: bottom")


def _fall(depth: int) -> None:
    if not depth:
        raise ValueError("bottom")
    (_fall if depth % 2 else _fall_too)(depth - 1)


def _fall_too(depth: int) -> None:
    _fall(depth)


class Terminal(io.StringIO):
    """A stream that says that it is one."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("plain", [False, True])
def test_terminal_has_colours_unless_it_is_asked_not_to(monkeypatch: pytest.MonkeyPatch, plain: bool) -> None:
    """The level stands out; NO_COLOR (no-color.org) is heeded; what a value holds stays escaped."""
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("NO_COLOR", "1" if plain else "")
    stream = Terminal()
    log.configure("info", stream)
    log.get("x").error("x.happened", name="\x1b[2J")
    assert ("\x1b[1;31merror\x1b[0m" in stream.getvalue()) is not plain
    assert stream.getvalue().endswith('x.happened name="\\x1b[2J"\n')


# -- systemd's journal -----------------------------------------------------------------------------------------------


class Journald:
    """systemd's journal, as far as its socket: it takes entries apart as the protocol says."""

    def __init__(self, path: Path) -> None:
        self.path = str(path)
        self._line = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._line.bind(self.path)
        self._line.settimeout(5)

    def close(self) -> None:
        """It ends, as for an update."""
        self._line.close()
        Path(self.path).unlink()

    def entry(self) -> dict[str, str]:
        """The next one."""
        data, found = self._line.recv(1 << 20), {}
        while data:
            name, _, rest = data.partition(b"\n")
            if b"=" in name:
                name, _, value = name.partition(b"=")
                data = rest
            else:
                size = int.from_bytes(rest[:8], "little")
                value, data = rest[8 : 8 + size], rest[8 + size :]
                assert data[:1] == b"\n"
                data = data[1:]
            assert re.fullmatch(rb"[A-Z][A-Z0-9_]{0,63}", name)
            assert name.decode() not in found
            found[name.decode()] = value.decode("utf-8")
        return found


@contextmanager
def journal(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Journald, io.StringIO]]:
    """The journal, and our stderr, which is its too."""
    stderr = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stderr)
    there = Journald(folder / "socket")
    log.configure("debug", service=True, journal=there.path)
    yield there, stderr
    if Path(there.path).exists():
        there.close()


def test_journal_gets_the_fields(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`journalctl ORDER=42` and `-p err` find it; the message is the whole line; stderr says nothing twice."""
    with journal(tmp_path, monkeypatch) as (there, stderr):
        log.get("spool").error("spool.ticket_held", order="42", ticket=7, printer="后厨 1", event="e-1", reason="")
        entry = there.entry()
        assert entry == {
            "MESSAGE": 'spool.ticket_held order=42 ticket=7 printer="后厨 1" event=e-1 reason=""',
            "PRIORITY": "3",
            "SYSLOG_IDENTIFIER": "shop-agent",
            "SYSLOG_PID": str(os.getpid()),
            "ROOM": "agent.spool",
            "EVENT": "spool.ticket_held",
            "ORDER": "42",
            "TICKET": "7",
            "PRINTER": "后厨 1",
            "EVENT_ID": "e-1",
        }
        assert stderr.getvalue() == ""


@given(st.text(), st.text())
def test_nobodys_text_makes_a_field(order: str, reason: str) -> None:
    """Whatever an order holds: the journal gets the fields that we gave, and each message is one line."""
    here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with here, there, pytest.MonkeyPatch.context() as patch:
        from agent import journald

        record = logging.LogRecord("agent.x", logging.INFO, "", 0, "x.happened", None, None)
        record.fields = {"order": order, "reason": reason}
        here.send(journald.datagram(record))
        reader = object.__new__(Journald)
        patch.setattr(reader, "_line", there, raising=False)
        entry = reader.entry()
    assert set(entry) - {"ORDER", "REASON"} == {
        "MESSAGE", "PRIORITY", "SYSLOG_IDENTIFIER", "SYSLOG_PID", "ROOM", "EVENT",
    }  # fmt: skip
    assert all(value.isprintable() for value in entry.values())


def test_traceback_is_a_field_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One entry: the message says the error on its one line, TRACEBACK has the rest."""
    with journal(tmp_path, monkeypatch) as (there, _):
        try:
            raise ValueError("bad\nPRIORITY=0")
        except ValueError:
            log.get("x").exception("x.failed", password="hunter2")
        entry = there.entry()
        assert entry["MESSAGE"].startswith("x.failed password=*** error=")
        assert "\n" not in entry["MESSAGE"]
        assert entry["PRIORITY"] == "3"
        assert entry["PASSWORD"] == "***"
        assert entry["TRACEBACK"].startswith("Traceback")
        assert "hunter2" not in str(entry).replace('password="hunter2"', "")


NAMES = [("order", "ORDER"), ("event", "EVENT_ID"), ("again_in_s", "AGAIN_IN_S"), ("message", "FIELD_MESSAGE")]
ODD_NAMES = [("priority", "FIELD_PRIORITY"), ("_pid", "FIELD__PID"), ("a" * 99, "A" * 58), ("é", "FIELD__")]


@pytest.mark.parametrize(("name", "shown"), NAMES + ODD_NAMES)
def test_field_has_a_name_that_the_journal_takes(name: str, shown: str) -> None:
    """None takes the place of one that has a meaning of its own, and none begins with an underscore."""
    assert field_name(name) == shown


def test_journal_that_is_away_is_stood_in_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While it starts anew, lines with their priority go to stderr; then it gets the fields again."""
    with journal(tmp_path, monkeypatch) as (there, stderr):
        there.close()
        log.get("x").warning("x.happened", order="42")
        assert stderr.getvalue() == "<4>x.happened order=42\n"
        again = Journald(tmp_path / "socket")
        log.get("x").warning("x.happened", order="43")
        assert again.entry()["ORDER"] == "43"
        again.close()


def test_journal_that_does_not_read_holds_nobody_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its socket is full: the printers' threads go on, and nothing is lost."""
    with journal(tmp_path, monkeypatch) as (there, stderr):
        for number in range(2000):
            log.get("x").info("x.happened", order=number, filling="x" * 380)
        said = stderr.getvalue().splitlines()
        assert said[-1].startswith("<6>x.happened order=1999 ")
        assert there.entry()["ORDER"] == "0"
        assert {int(line.split("order=")[1].split()[0]) for line in said} == set(range(2000 - len(said), 2000))
