"""What a printer's family changes: buzzer, drawer, knife. The unknown stays silent."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.encode.escpos import encode
from agent.encode.typeset import typeset
from agent.model.layout import Cut, Layout, Line, Printed, Run
from agent.model.order import Item
from agent.model.profile import GENERIC, PROFILES, Profile, Pulse, suggest
from agent.simulator.paper import Paper
from agent.simulator.starpaper import StarPaper
from agent.tickets.template import kitchen
from tests.test_escpos import EMPTY_FEED, LAYOUTS
from tests.test_tickets import ticket

ROWS: tuple[Printed, ...] = typeset(Layout((Line((Run("宫保鸡丁 x2"),)),)), 32)
FAMILIES = st.sampled_from(list(PROFILES.values()))


def paper_of(data: bytes, profile: Profile) -> Paper:
    paper = (StarPaper if profile.language == "star" else Paper)(32 * 12)
    paper.feed(data)
    return paper


def test_what_is_not_known_is_not_sent() -> None:
    """A beep command that a printer does not know leaks text: the generic profile has none, and no drawer."""
    assert PROFILES["generic"] is GENERIC
    assert encode(ROWS, 32, beep=True, drawer=True) == encode(ROWS, 32)
    assert encode((), 32, profile=GENERIC).data == EMPTY_FEED


def test_every_profile_is_found_by_its_name() -> None:
    """The name in a configuration is the profile's own."""
    assert {name: profile.name for name, profile in PROFILES.items()} == {name: name for name in PROFILES}
    assert {name for name, profile in PROFILES.items() if profile.star_counter} == {"star"}


@pytest.mark.parametrize(
    ("family", "command"),
    [
        ("xprinter", b"\x1bB\x03\x02"),
        ("gprinter", b"\x1bB\x03\x02"),
        ("epson", b"\x1b(A\x05\x00\x61\x64\x03\x01\x01"),
        ("hprt", b"\x1b(A\x05\x00\x61\x64\x03\x01\x01"),
        ("rongta", b""),
        ("star", b""),
    ],
)
def test_the_beep_comes_when_there_is_paper_to_take(family: str, command: bytes) -> None:
    """After the last cut, once, and only when asked for; a family whose buzzer no manual tells stays silent."""
    profile = PROFILES[family]
    silent = encode(ROWS, 32, profile=profile)
    ticket = encode((*ROWS, Cut(), *ROWS), 32, profile=profile, beep=True)
    assert ticket.data.endswith(silent.data[-4:] + command)
    paper = paper_of(ticket.data, profile)
    assert (paper.beeps, paper.stray, paper.unprinted) == (bool(command), [], "")
    assert paper_of(silent.data, profile).beeps == 0


@pytest.mark.parametrize(
    ("family", "command"),
    [
        ("epson", b"\x1bp\x00\x32\x64"),
        ("xprinter", b"\x1bp\x00\x32\x64"),
        ("rongta", b"\x1bp\x00\x32\x64"),
        ("star", b"\x1b\x07\x14\x14\x07"),
    ],
)
def test_the_drawer_opens_only_on_request(family: str, command: bytes) -> None:
    """Asked for and known: one pulse behind the paper. Otherwise none."""
    profile = PROFILES[family]
    ticket = encode(ROWS, 32, profile=profile, drawer=True)
    assert ticket.data.endswith(command)
    assert paper_of(ticket.data, profile).drawer_kicks == 1
    assert paper_of(encode(ROWS, 32, profile=profile, beep=True).data, profile).drawer_kicks == 0


def test_the_second_drawer_and_long_pulses() -> None:
    """Pin 5 is m 1 for ESC/POS and SUB for Star; no pulse is longer than a byte can say."""
    long = Pulse(pin=5, on_ms=9000, off_ms=9000)
    assert encode((), 32, profile=Profile(name="x", drawer=long), drawer=True).data.endswith(b"\x1bp\x01\xff\xff")
    star = Profile(name="x", language="star", drawer=long)
    assert encode((), 32, profile=star, drawer=True).data.endswith(b"\x1bd\x03\x1a")


@settings(max_examples=150, deadline=None)
@given(LAYOUTS, FAMILIES, st.booleans())
def test_no_kitchen_ticket_opens_a_drawer(layout: Layout, profile: Profile, beep: bool) -> None:
    """Whatever an order says and whatever the printer is: no ESC p, no BEL, nothing but print and the beep."""
    paper = paper_of(encode(typeset(layout, 32), 32, profile=profile, beep=beep).data, profile)
    assert paper.drawer_kicks == 0
    assert {event.kind for event in paper.events} <= {"beep"}
    assert paper.stray == []


@pytest.mark.parametrize("profile", PROFILES.values(), ids=PROFILES)
def test_the_built_in_ticket_prints_on_every_family(profile: Profile) -> None:
    """The kitchen's template, hostile words and all."""
    hostile = Item(name="\x1bp\x00\x19\xfa\x07\x1c宫保鸡丁", qty="2", note="\x10\x14\x01\x00\x01少辣")
    data = encode(typeset(kitchen(ticket(hostile)), 32), 32, profile=profile, beep=True).data
    paper = paper_of(data, profile)
    assert (paper.drawer_kicks, paper.stray) == (0, [])
    assert "宫保鸡丁" in paper.pieces[0].text


def test_the_knife_is_the_profiles() -> None:
    """Clones cut through the last line unless lines are fed first; `feed` overrules the profile."""
    assert encode((), 32, profile=PROFILES["epson"]).data == b"\n\x1dVB\x00"
    assert encode((), 32, profile=PROFILES["epson"], feed=3).data == b"\n\n\n\x1dVB\x00"
    full = Profile(name="x", cut="full", knife_feed=2)
    assert encode((), 32, profile=full).data == b"\n\n\x1dVA\x00"
    assert paper_of(encode(ROWS, 32, profile=full).data, full).cuts == 1


def test_a_foreign_beep_leaks() -> None:
    """Why nothing is tried out: what one family beeps at, another prints or takes for something else."""
    beep = encode((), 32, profile=PROFILES["hprt"], beep=True).data.removeprefix(EMPTY_FEED)
    paper = StarPaper()
    paper.feed(beep + b"\n")
    assert "ad" in paper.text
    swallowed = StarPaper()
    swallowed.feed(encode((), 32, profile=PROFILES["xprinter"], beep=True).data + b"the next ticket\n")
    assert "ticket" not in swallowed.text  # ESC B lists vertical tabs, up to a NUL


@pytest.mark.parametrize(
    ("maker", "model", "vid", "name"),
    [
        ("EPSON", "TM-T20III", 0x04B8, "epson"),
        ("EPSON", "TM-T88III", None, "epson"),
        ("Printer", "XP-S260M", 0x04B8, "xprinter"),
        ("", "GP-L80250", None, "gprinter"),
        ("佳博", "", None, "gprinter"),
        ("HPRT", "TP80K", None, "hprt"),
        ("RONGTA", "RP326", None, "rongta"),
        ("Star", "TSP143IIIW", 0x0519, "star"),
        ("", "", 0x0519, "star"),
        ("STARTECH", "cable", None, "generic"),
        ("", "POS-80", 0x0483, "generic"),
    ],
)
def test_names_are_hints(maker: str, model: str, vid: int | None, name: str) -> None:
    """A clone's own letters beat the maker whose name it bears; what says nothing is generic."""
    assert suggest(maker, model, vid) == name
