"""The conformance suite over every link, and something broken for each check: one that can't fail is a defect."""

from collections.abc import Callable

import pytest

from agent.model.link import UsblpLink
from agent.model.printer import Tier
from agent.printers.conformance import CHECKS, run_checks
from agent.printers.conformance.report import WIDTH, columns
from agent.printers.conformance.slip import title_of
from agent.printers.conformance.talk import token_request
from agent.printers.conformance.tickets import WORDS
from agent.printers.conformance.verdict import Act, Answer, Failed, Passed, Skipped
from agent.printers.usblp import UsblpConnector
from agent.simulator.faults import Reply, Trouble
from agent.simulator.ports import serve_pty
from agent.simulator.printer import VirtualPrinter
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


def test_what_nobody_can_tell_is_no_pass() -> None:
    """A mute printer's open cover is seen by nobody."""
    with attended("tcp", spec(3)) as (_, way, hands):
        assert isinstance(check(way, "cover", person=hands).verdict("cover"), Skipped)


# -- printers and links that are broken: each makes its check fail, and no other -------------------------------------


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


def _garble_a_name(printer: VirtualPrinter) -> None:
    printer.trouble_replies(Trouble.GARBLE, Reply.IDENTITY, 1)


@pytest.mark.parametrize(
    ("name", "more", "prepare"),
    [
        ("facts", {}, _garble_a_name),
        ("late-answer", {"reserve_replies": False, "counters": False}, lambda _: None),
    ],
)
def test_a_broken_printer_fails_its_check_and_no_other(
    name: str, more: dict[str, bool], prepare: Callable[[VirtualPrinter], None]
) -> None:
    """The link is sound."""
    with VirtualPrinter(spec(**more)) as printer, plugged(printer, "tcp") as way:
        prepare(printer)
        report = check(way)
        assert report.failed == (name,), why(report)


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
        assert not line.lstrip().startswith(("#", "-", "*", ">", "`", "_", "|")), line
    for result in CHECKS:
        assert f"{result.name} {result.zh}" in text
    assert "打印机检验" in text
    assert "slip 'chinese'" in text
