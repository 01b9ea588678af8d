"""The conformance suite over every link, and something broken for each check: one that can't fail is a defect."""

import subprocess
import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import click
import msgspec
import pytest
from click.testing import CliRunner, Result
from msgspec.structs import replace

from agent.cli.check import Terminal
from agent.cli.check import check as check_command
from agent.config import Printer
from agent.connectors import connector
from agent.datadir import locked
from agent.errors import ConfigError, DataDirLocked
from agent.model.link import UsblpLink, VirtualLink, parse_link
from agent.model.printer import Tier
from agent.printers.conformance import CHECKS, Check, run_checks
from agent.printers.conformance.report import WIDTH, columns
from agent.printers.conformance.slip import title_of
from agent.printers.conformance.talk import token_request
from agent.printers.conformance.tickets import WORDS
from agent.printers.conformance.verdict import Act, Answer, Failed, Passed, Skipped, Words
from agent.printers.usblp import UsblpConnector
from agent.simulator.faults import Reply, Trouble
from agent.simulator.ports import serve_pty, serve_tcp
from agent.simulator.printer import VirtualPrinter
from agent.simulator.stage import free_port
from tests.conftest import REPORT
from tests.test_usblp import Kernel
from tests.tricks import (
    TOO_LONG_S,
    Away,
    BigWrites,
    CriesWolf,
    EatsNuls,
    Flaky,
    Forgetful,
    ForgetsAtClose,
    Frozen,
    Hasty,
    Liar,
    LongReads,
    LosesOnce,
    OneRoundLate,
    Rewrites,
    SaysToo,
    Swapped,
    ThrowsOut,
    Trick,
    Tricky,
    Unanswered,
)
from tests.workbench import BY_HAND, CABLES, IMPATIENT, PROVED, QUICK, attended, check, passed, plugged, spec, why

# -- printers and links that are as they should be ---------------------------------------------------------------------


@pytest.mark.parametrize("tier", (1, 2, 3))
@pytest.mark.parametrize("cable", CABLES)
def test_a_sound_printer_passes_over_every_cable(cable: str, tier: int) -> None:
    """As far as its tier goes; the slips are on paper, whole, and nothing else is."""
    with VirtualPrinter(spec(tier)) as printer, plugged(printer, cable) as way:
        report = check(way)
        skipped_when_mute = {"second-open"} if cable != "tcp" and tier == 3 else set()
        assert report.failed == (), why(report)
        assert passed(report) == PROVED[tier] | skipped_when_mute, why(report)
        assert report.capabilities is not None
        assert report.capabilities.tier == Tier(tier)
        assert printer.wait_for(lambda it: it.buffered == 0, 10)
        texts = [piece.text for piece in printer.paper.pieces]
        printed = [
            "ticket",
            "chinese",
            *(["fence"] if tier < 3 else []),
            *(["counters"] if tier == 1 else []),
            "resync",
            "long",
        ]
        assert [text.split("\n", 1)[0] for text in texts[: len(printed)]] == [title_of(name) for name in printed]
        assert all(word in texts[1] for line in WORDS for word in line.split())
        assert texts[printed.index("resync")].split("\n")[1].startswith("001 of 003")
        assert texts[printed.index("long")].endswith("end of long")
        assert printer.paper.stray == []
        assert printer.paper.drawer_kicks == 0


@pytest.mark.parametrize("tier", (1, 2))
@pytest.mark.parametrize("cable", ("tcp", "pty"))
@pytest.mark.parametrize("name", ("cover", "paper-out"))
def test_a_ticket_that_a_person_disturbs_is_held_and_then_printed(cable: str, tier: int, name: str) -> None:
    """Once, and whole."""
    with attended(cable, spec(tier)) as (printer, way, hands):
        report = check(way, name, person=hands)
        assert report.failed == (), why(report)
        assert isinstance(report.verdict(name), Passed)
        (piece,) = printer.paper.pieces
        assert "060 of 060" in piece.text
        assert f"slip '{name}'" in hands.asked[-1].en


@pytest.mark.parametrize("tier", (1, 2, 3))
@pytest.mark.parametrize(("cable", "name"), [("tcp", "power"), ("tcp", "cable"), ("pty", "cable")])
def test_a_ticket_that_loses_its_printer_is_in_doubt_and_the_next_one_is_printed(
    cable: str, name: str, tier: int
) -> None:
    """Never claimed; and the torn piece is cut off."""
    with attended(cable, spec(tier)) as (printer, way, hands):
        report = check(way, name, person=hands)
        assert isinstance(report.verdict(name), Passed), why(report)
        assert "003 of 003" in printer.paper.pieces[-1].text


@pytest.mark.parametrize(
    ("tier", "counters"),
    [
        (1, True),
        (1, False),
        (2, True),
    ],
)
def test_a_power_cycle_that_a_serial_line_does_not_show_leaves_doubt(tier: int, counters: bool) -> None:
    """Off and on again while the ticket goes out: its end is printed and answered for, and its middle is lost."""
    with attended("pty", spec(tier, counters=counters)) as (_, way, hands):
        report = check(way, "counters", "power", person=hands, pace=replace(QUICK, hands_bytes_per_s=600.0))
        assert isinstance(report.verdict("power"), Passed), why(report)


def test_what_nobody_can_tell_is_no_pass() -> None:
    """A mute printer's open cover is seen by nobody."""
    with attended("tcp", spec(3)) as (_, way, hands):
        assert isinstance(check(way, "cover", person=hands).verdict("cover"), Skipped)


# -- printers and links that are broken: each makes its check fail, and no other -------------------------------------


RecordProperty = Callable[[str, Any], None]
BATCH = b"\x10\x04\x01\x10\x04\x02\x10\x04\x03\x10\x04\x04"
TURNED = b"\x10\x04\x03\x10\x04\x02\x10\x04\x01\x10\x04\x04"
Q9XV, AB12, M3M3 = map(token_request, ("Q9XV", "AB12", "M3M3"))

BROKEN: dict[str, tuple[str, Callable[[], Trick]]] = {
    "nobody is there": ("open", Away),
    "another device each time": ("open", Swapped),
    "it can prove less the second time": ("probe", Forgetful),
    "who connects throws out the first": ("second-open", ThrowsOut),
    "a read oversleeps": ("silence", lambda: LongReads(TOO_LONG_S)),
    "a read returns at once": ("silence", lambda: LongReads(-1)),
    "it talks unasked": ("silence", lambda: LongReads(noise=b"\x12")),
    "a write loses": ("write", lambda: BigWrites("loses")),
    "a write doubles": ("write", lambda: BigWrites("doubles")),
    "a write counts too much": ("write", lambda: BigWrites("counts too much")),
    "a write oversleeps": ("write", lambda: BigWrites("oversleeps")),
    "a cable keeps a part": ("write", lambda: BigWrites("keeps it")),
    "a cable cries wolf": ("port-status", CriesWolf),
    "status in another order": ("realtime", lambda: Rewrites(BATCH, TURNED)),
    "status twice": ("realtime", lambda: Rewrites(b"\x10\x04\x03", b"\x10\x04\x03" * 2, alone=True)),
    "an answer is lost": ("in-step", lambda: OneRoundLate("lost")),
    "an answer is late": ("in-step", lambda: OneRoundLate("late")),
    "an answer comes twice": ("in-step", lambda: OneRoundLate("doubled")),
    "a wrong token": ("tokens", lambda: Rewrites(Q9XV, token_request("Q9XW"))),
    "a token is lost": ("tokens", lambda: Rewrites(Q9XV, b"")),
    "a token twice": ("tokens", lambda: Rewrites(M3M3, M3M3 * 2)),
    "tokens in another order": ("tokens", lambda: Rewrites(Q9XV + AB12, AB12 + Q9XV)),
    "no word on a ticket": ("ticket", lambda: Unanswered("ticket")),
    "the fence is no fence": ("fence", lambda: Hasty("fence")),
    "the fence is not answered": ("fence", lambda: Unanswered("fence")),
    "counters stand still": ("counters", lambda: Frozen(lambda _: 5)),
    "counters run wild": ("counters", lambda: Frozen(lambda asked: 1000 * asked)),
    "NULs are lost": ("resync", EatsNuls),
    "bytes of a picture are lost": ("long", LosesOnce),
    "a close forgets the last bytes": ("late-answer", ForgetsAtClose),
    "it opens no more": ("reopen", lambda: Flaky(35, "refuses")),
    "it opens and is deaf": ("reopen", lambda: Flaky(35, "deaf")),
}


def test_every_check_has_something_that_makes_it_fail() -> None:
    """Here, or among the tests below that name it."""
    below = {"facts", "chinese", *BY_HAND}
    assert {name for name, _ in BROKEN.values()} | below == {check.name for check in CHECKS}


@pytest.mark.parametrize("fault", BROKEN)
def test_a_broken_link_fails_its_check_and_no_other(fault: str) -> None:
    """What it fails is what the report names."""
    name, trick = BROKEN[fault]
    with VirtualPrinter(spec()) as printer, plugged(printer, "tcp") as way:
        printer.sensors.drawer_high = True  # else all real-time answers are alike
        report = check(Tricky(way, trick()))
        assert report.failed == (name,), why(report)


def test_a_write_that_never_returns_ends_the_run_and_not_the_program() -> None:
    """The report says where."""
    trick = BigWrites("hangs")
    with VirtualPrinter(spec()) as printer, plugged(printer, "tcp") as way:
        report = check(Tricky(way, trick))
        assert report.verdict("write") == Failed("write never returned")
        assert report.failed == ("write",)
        assert "write hangs" in report.text()
        assert report.results[-1].name == "write"
        trick.done.set()


def test_a_line_that_two_may_open_is_found() -> None:
    """The second one hears the first one's answers."""
    with VirtualPrinter(spec()) as printer, serve_pty(printer) as line:
        one, other = (UsblpConnector(UsblpLink(line.path), ioctl=Kernel()) for _ in range(2))
        report = check(one, other=other)
        assert report.failed == ("second-open",), why(report)


def test_a_printer_that_gives_itself_two_names_is_found() -> None:
    """Its word on itself decides whether it was exchanged."""
    with VirtualPrinter(spec()) as printer, plugged(printer, "tcp") as way:
        printer.trouble_replies(Trouble.GARBLE, Reply.IDENTITY, 1)
        report = check(way)
        assert report.failed == ("facts",), why(report)


def test_a_printer_that_keeps_no_answer_and_does_not_count_is_found() -> None:
    """Each link that breaks behind a ticket costs a marked reprint."""
    with VirtualPrinter(spec(reserve_replies=False, counters=False)) as printer, plugged(printer, "tcp") as way:
        report = check(way, "counters", "late-answer")
        assert report.failed == ("late-answer",), why(report)
    with VirtualPrinter(spec(reserve_replies=False)) as printer, plugged(printer, "tcp") as way:
        assert check(way, "late-answer").failed == ()


def test_a_status_byte_that_is_no_status_is_found() -> None:
    """A clone that answers DLE EOT with 00 would be taken for one that answers a fence."""
    with VirtualPrinter(spec(realtime=False)) as printer, plugged(printer, "tcp") as way:
        report = check(Tricky(way, SaysToo(b"\x10\x04\x01", b"\0")))
        assert report.failed == ("realtime",), why(report)


def test_a_printer_that_waits_for_a_person_is_seen_to_first() -> None:
    """Nothing can be said of what it can prove."""
    with VirtualPrinter(spec()) as printer, plugged(printer, "tcp") as way:
        printer.open_cover()
        report = check(way)
        assert report.failed == ("probe",), why(report)
        assert "waits for a person (cover)" in report.verdict("probe").detail
        assert len(printer.paper.pieces) == 0


@pytest.mark.parametrize(("name", "word"), [("chinese", "chinese"), ("resync", "resync"), ("ticket", "'ticket'")])
def test_what_a_person_sees_on_paper_counts(name: str, word: str) -> None:
    """The printer's word is not enough; and what they are not sure of is left to be looked at."""
    with attended("tcp", spec()) as (_, way, hands):
        hands.answers = {word: Answer.NO, "'long'": Answer.UNSURE}
        report = check(way, person=hands, without=BY_HAND)
        assert report.failed == (name,), why(report)
        assert [look.en.split(":")[0] for result in report.results for look in result.looks] == ["slip 'long'"]


@pytest.mark.parametrize(
    ("cable", "name", "instead", "lies"),
    [
        ("tcp", "cover", {}, True),
        ("tcp", "paper-out", {}, True),
        ("tcp", "cover", {Act.OPEN_COVER: "nothing"}, False),
        ("tcp", "cover", {Act.OPEN_COVER: "jam"}, False),
        ("tcp", "cover", {Act.CLOSE_COVER: "nothing"}, False),
        ("pty", "power", {}, True),
        ("tcp", "power", {Act.POWER_OFF: "nothing"}, False),
        ("tcp", "power", {Act.POWER_ON: "mute"}, False),
        ("tcp", "cable", {Act.PULL_CABLE: "nothing"}, False),
        ("tcp", "cable", {Act.PLUG_CABLE: "nothing"}, False),
    ],
)
def test_what_is_claimed_in_spite_of_a_person_fails(cable: str, name: str, instead: dict[Act, str], lies: bool) -> None:
    """A ticket confirmed with the cover open, or without power; one that was not whole; a printer that stays away."""
    with attended(cable, spec()) as (printer, way, hands):
        deeds = {"nothing": lambda: None, "jam": printer.jam_cutter, "mute": lambda: _back_but_mute(printer)}
        hands.instead = {act: deeds[deed] for act, deed in instead.items()}
        hands.answers = {"whole": Answer.NO}
        report = check(Tricky(way, Liar(name)) if lies else way, name, person=hands)
        assert isinstance(report.verdict(name), Failed), why(report)
        assert "a person says no" not in report.verdict(name).detail


def _back_but_mute(printer: VirtualPrinter) -> None:
    printer.power_on()
    printer.mute()


# -- the report ------------------------------------------------------------------------------------------------------


def test_nothing_is_printed_where_no_paper_is_to_be_used() -> None:
    """And the report says so."""
    with VirtualPrinter(spec()) as printer, plugged(printer, "tcp") as way:
        report = check(way, paper=False)
        assert report.failed == ()
        assert printer.paper.line_feeds == 0
        assert "nothing was to be printed" in report.text()


def test_a_report_survives_a_chat() -> None:
    """Narrow, without tabs and control characters, and no line that a chat would take for markup."""
    strange = spec(model="X\tY " * 60, serial="**bold** `code`", maker="M" * 60)
    with VirtualPrinter(strange) as printer, plugged(printer, "tcp") as way:
        text = run_checks(way, link=f"tcp://{'printer-' * 20}:9100", pace=QUICK, patience=IMPATIENT).text()
    for line in text.splitlines():
        assert columns(line) <= WIDTH, line
        assert line.isprintable(), line
        assert line == line.rstrip()
        assert not line.lstrip().startswith(("#", "*", ">", "`")), line
    for result in CHECKS:
        assert f"{result.name} {result.zh}" in text
    assert "打印机检验" in text
    assert "slip 'chinese'" in text


# -- how it is called -------------------------------------------------------------------------------------------------


def config_file(folder: Path, link: str) -> Path:
    """A shop with one printer."""
    path = folder / "shop.yaml"
    path.write_text(
        f"shop: s1\ndata_dir: {folder / 'data'}\nbroker:\n  url: mqtt://localhost\n"
        f"printers:\n  - name: wok\n    link: {link}\n    width: 32\n"
    )
    return path


def run(folder: Path, *arguments: str) -> Result:
    """`shop-agent printers check`, with a configuration of its own."""
    return CliRunner().invoke(check_command, [*arguments, "--config", str(folder / "shop.yaml")])


def test_the_command_checks_a_link_and_keeps_the_report(tmp_path: Path) -> None:
    """Its standard output is the report and nothing else."""
    with VirtualPrinter(spec()) as printer, serve_tcp(printer) as port:
        result = run(tmp_path, port.link, "--no-paper", "--out", str(tmp_path / "report.txt"))
        assert result.exit_code == 0, result.output
        assert result.stdout.startswith("打印机检验 shop-agent printer check\n")
        assert f"link: {port.link}" in result.stdout
        assert (tmp_path / "report.txt").read_text("utf-8") == result.stdout
        assert "… silence 读超时" in result.stderr


def test_the_command_checks_a_printer_of_the_configuration(tmp_path: Path) -> None:
    """By its name, in JSON for programs; a failure is its exit code."""
    with VirtualPrinter(spec()) as printer, serve_tcp(printer) as port:
        config_file(tmp_path, port.link)
        printer.refuse()
        result = run(tmp_path, "wok", "--json")
        assert result.exit_code == 1
        report = msgspec.json.decode(result.stdout)
        assert report["link"] == port.link
        assert report["results"][0]["verdict"]["outcome"] == "failed"
        assert "connect" in report["results"][0]["verdict"]["detail"]
        assert not (tmp_path / "data").exists()


def test_a_printer_that_can_t_be_opened_is_not_asked_further(tmp_path: Path) -> None:
    """A closed port: one result, and what to do, in both languages."""
    result = run(tmp_path, f"tcp://127.0.0.1:{free_port()}", "--json")
    report = msgspec.json.decode(result.stdout)
    assert (result.exit_code, [each["name"] for each in report["results"]]) == (1, ["open"])
    assert "开电源，查线" in report["ended_by"]
    assert "turn it on, look at its cable" in report["ended_by"]


@pytest.mark.parametrize("how", ("simulate", "virtual"))
def test_what_passes_for_a_printer_needs_time_for_its_paper(tmp_path: Path, how: str) -> None:
    """As they come: an answer behind 40 lines must not be there at once, or nobody could tell it from a lie."""
    with ExitStack() as stack:
        if how == "virtual":
            printer = Printer(name="kitchen", link=VirtualLink("kitchen"))
            report = check(connector(printer, tmp_path), "fence")
        else:
            command = [sys.executable, "-m", "agent", "simulate", "printer", "--quiet"]
            process = stack.enter_context(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
            stack.callback(process.terminate)
            assert process.stdout is not None
            link = parse_link(process.stdout.readline().split()[-1])
            report = check(connector(Printer(name="kitchen", link=link), tmp_path), "fence")
    assert report.failed == (), why(report)
    assert "fence" in passed(report)


@pytest.mark.parametrize("by", ("name", "link"))
def test_a_printer_that_the_agent_prints_on_is_left_alone(tmp_path: Path, by: str) -> None:
    """Whichever way it is named."""
    with VirtualPrinter(spec()) as printer, serve_tcp(printer) as port:
        config_file(tmp_path, port.link)
        with locked(tmp_path / "data"):
            result = run(tmp_path, "wok" if by == "name" else port.link)
        assert isinstance(result.exception, DataDirLocked)
        assert "systemctl stop shop-agent" in str(result.exception)
        assert printer.received == 0


def test_what_is_no_printer_is_refused_with_what_to_write(tmp_path: Path) -> None:
    """A wrong name, and a language that these checks do not speak."""
    path = config_file(tmp_path, "tcp://127.0.0.1:1")
    result = run(tmp_path, "work")
    assert isinstance(result.exception, ConfigError)
    assert "there are: wok" in str(result.exception)
    path.write_text(path.read_text() + "    profile: star\n")
    result = run(tmp_path, "wok")
    assert result.exit_code == 1
    assert "speak ESC/POS" in result.stderr


def test_a_person_is_asked_in_both_languages() -> None:
    """And Ctrl-C ends the checks, not the program."""

    @click.command()
    def ask() -> None:
        terminal = Terminal()
        terminal.gets_ready(Act.OPEN_COVER)
        terminal.does(Act.CLOSE_COVER)
        click.echo(terminal.says(Words("完整吗", "is it whole?")).value)
        with pytest.raises(KeyboardInterrupt):
            terminal.says(Words("完整吗", "is it whole?"))

    result = CliRunner().invoke(ask, input="\n\n?\n")
    assert result.exit_code == 0, result.output
    assert result.stdout == "unsure\n"
    for word in ("打开机盖", "open the printer's cover", "关上机盖", "完整吗", "is it whole?"):
        assert word in result.stderr


def test_a_run_that_is_stopped_reports_what_it_has() -> None:
    """Ctrl-C is how an installer ends what takes too long."""

    def stop(each: Check) -> None:
        if each.name == "silence":
            raise KeyboardInterrupt

    with VirtualPrinter(spec()) as printer, plugged(printer, "tcp") as way:
        report = run_checks(way, pace=QUICK, patience=IMPATIENT, on_start=stop)
    assert report.results[-1].name == "second-open"
    assert "stopped by a person" in report.text()


def test_pytest_runs_the_suite_on_the_printer_at_hand() -> None:
    """With processes of its own, as scripts/test does it; the report is in the summary, and no other test is run."""
    with VirtualPrinter(spec()) as printer, serve_tcp(printer) as port:
        command = [sys.executable, "-m", "pytest", "-n", "2", "--printer", port.link, "--no-paper", __file__]
        run = subprocess.run(command, capture_output=True, text=True, timeout=100)
    assert run.returncode == 0, run.stdout + run.stderr
    assert "1 passed" in run.stdout
    assert f"链路 link: {port.link}" in run.stdout


@pytest.mark.at_hand
@pytest.mark.timeout(3600)
def test_the_printer_at_hand(request: pytest.FixtureRequest, tmp_path: Path, record_property: RecordProperty) -> None:
    """Everything that can be tried without a person."""
    settings = Printer(name="at-hand", link=parse_link(request.config.getoption("--printer")))
    report = run_checks(
        connector(settings, tmp_path),
        link=str(settings.link),
        other=None if isinstance(settings.link, VirtualLink) else connector(settings, tmp_path),
        paper=not request.config.getoption("--no-paper"),
    )
    record_property(REPORT, report.text())
    assert report.failed == ()
