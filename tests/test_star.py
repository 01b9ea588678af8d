"""Star Line Mode: the same ticket on paper, and a printer that counts documents."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.encode import raster
from agent.encode.escpos import encode
from agent.encode.typeset import typeset
from agent.model.layout import Align, Gap, Layout, Line, Printed, Row, Run, Style
from agent.model.order import Item
from agent.model.profile import PROFILES
from agent.simulator.paper import Paper
from agent.simulator.piece import Piece, Side
from agent.simulator.printer import PrinterSpec, Reply, Trouble, VirtualPrinter
from agent.simulator.starpaper import StarPaper
from agent.tickets.template import kitchen
from tests.stream import taken_apart
from tests.test_escpos import HOSTILE, LAYOUTS
from tests.test_tickets import ticket

STAR = PROFILES["star"]
END = b"\n\x1bd\x03"
ASK = b"\x1b\x06\x01"
WELL = bytes.fromhex("23 06 00 00 00 00 00 00 00")
# The encoder's whole vocabulary: name, and how many bytes of parameters follow.
COMMANDS = {
    **{b"\x1bz": 1, b"\x1b0": 0, b"\x1bi": 2, b"\x1bE": 0, b"\x1bF": 0, b"\x1b4": 0, b"\x1b5": 0},
    **{b"\x1b\x1d": 2, b"\x1bJ": 1, b"\x1bd": 1, b"\x1b-": 1},
}


def done(first: int, second: int, counter: int, s: int = 1) -> bytes:
    return bytes((0x1B, 0x1D, 0x03, s, first, second, counter, 0))


def question(first: int = 0x41, second: int = 0x37, s: int = 1) -> bytes:
    return bytes((0x1B, 0x1D, 0x03, s, first, second))


def _picture(data: bytes, at: int) -> int:
    """The bytes of an ESC k that begins here."""
    return 4 + 24 * data[at + 2] if data[at : at + 2] == b"\x1bk" else 0


tokens = partial(taken_apart, COMMANDS, _picture)


def star_paper(rows: tuple[Printed, ...], width: int = 32) -> StarPaper:
    paper = StarPaper(width * 12)
    paper.feed(encode(rows, width, profile=STAR).data)
    return paper


def esc_paper(rows: tuple[Printed, ...], width: int = 32) -> Paper:
    paper = Paper(width * 12)
    paper.feed(encode(rows, width).data)
    return paper


def read(piece: Piece) -> tuple[object, ...]:
    """All that a cook sees, without the feed between lines and the blank end. Pictures are compared by `alike`."""
    lines = [(line.text, line.runs, line.align, line.offset) for line in piece.lines if line.text.strip()]
    return piece.text, lines, [(bitmap.width_dots, bitmap.height_dots, bitmap.align) for bitmap in piece.bitmaps]


def alike(one: Piece, other: Piece) -> bool:
    """The same pictures, but for a pixel added here and there, at most one in a row of dots: each language breaks up
    its own real-time commands, and a stroke may look like one in each of its rows.
    """
    pairs = zip(one.bitmaps, other.bitmaps, strict=True)
    return all(sum((a ^ b).bit_count() for a, b in zip(p.rows, q.rows, strict=True)) <= p.height_dots for p, q in pairs)


# --- paper ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("width", [32, 48])
def test_a_kitchen_ticket_reads_the_same_on_star_and_escpos_paper(width: int) -> None:
    """Chinese, large characters, black banners, quantities at the right margin, and a line that must be drawn."""
    dishes = [
        Item(name="宫保鸡丁 Kung Pao", qty="2", unit="份", note="少辣🌶 不要花生"),
        Item(name="酸辣土豆丝", qty="12", mods=[]),
    ]
    facts = {"allergies": ["花生 peanuts"], "rush": True, "table": "7", "note": "½ 糖"}
    rows = typeset(kitchen(ticket(*dishes, facts=facts)), width)
    star, esc = star_paper(rows, width), esc_paper(rows, width)
    assert (star.stray, star.events, star.cuts) == ([], [], 1)
    assert read(star.pieces[0]) == read(esc.pieces[0])
    assert star.pieces[0].bitmaps
    assert alike(star.pieces[0], esc.pieces[0])
    assert any(run.inverted for line in star.pieces[0].lines for run in line.runs)
    right = [line for line in star.pieces[0].lines if line.text.endswith("x12")]
    assert [line.offset + line.dots for line in right] == [width * 12]


@settings(max_examples=150, deadline=None)
@given(LAYOUTS, st.sampled_from([32, 48]))
def test_any_ticket_reads_the_same(layout: Layout, width: int) -> None:
    """Whatever is in it; only sizes beyond Star's six are smaller."""
    rows = typeset(layout, width)
    star = star_paper(rows, width)
    assert (star.stray, star.events) == ([], [])
    if not any(isinstance(row, Row) and any(max(r.style.width, r.style.height) > 6 for r in row.runs) for row in rows):
        esc = esc_paper(rows, width)
        assert [read(piece) for piece in star.pieces] == [read(piece) for piece in esc.pieces]
        assert all(map(alike, star.pieces, esc.pieces))


@settings(max_examples=200, deadline=None)
@given(LAYOUTS, st.sampled_from([16, 32, 48]))
def test_no_order_can_put_a_control_byte_on_the_wire(layout: Layout, width: int) -> None:
    """All that is not one of our own commands, a picture or a line feed is printable text."""
    data = encode(typeset(layout, width), width, profile=STAR).data
    for token in tokens(data):
        if token[:2] in COMMANDS or token.startswith(b"\x1bk") or token == b"\n":
            continue
        assert min(token) >= 0x20
        assert b"\x7f" not in token
        token.decode("gbk")


def test_the_bytes_are_stars() -> None:
    """Height before width, no kanji mode, and the knife feeds itself."""
    rows = typeset(Layout((Line((Run("豆", Style(3, 2, True, True)),), align=Align.CENTER), Gap(10))), 32)
    star = b"\x1bz\x01\x1b\x1da\x01\x1bi\x01\x02\x1bE\x1b4"
    assert encode((Row((Run("豆", Style(3, 2, True, True)),), Align.CENTER),), 32, profile=STAR).data == (
        star + "豆".encode("gbk") + b"\n\x1bi\x00\x00\x1bF\x1b5\x1b\x1da\x00" + END
    )
    assert b"\x1bJ\x05" in encode(rows, 32, profile=STAR).data
    assert encode((), 32, profile=STAR).data == b"\x1bz\x01" + END


def test_a_picture_is_a_line_of_24_dots_a_band() -> None:
    """High pictures close up at 3 mm a line; after the last band a line is 4 mm again."""
    (piece,) = star_paper(typeset(Layout((Line((Run("½份", Style(1, 3)),)), Line((Run("a"),)))), 32)).pieces
    assert [bitmap.height_dots for bitmap in piece.bitmaps] == [24, 24, 24]
    assert [item.height_dots for item in piece.items] == [24, 24, 24, 8, 32, 32]


def test_pictures_hold_no_real_time_command(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether a Star obeys ESC ACK inside a picture is documented nowhere: one more pixel breaks it."""
    bad = bytes.fromhex("1b0601 1b0618 1b1b06 01")
    monkeypatch.setattr(raster, "draw", lambda *_: (raster.Band(len(bad), 1, bad),))
    data = encode((Row((Run("½"),), drawn=True),), 32, profile=STAR).data
    assert bytes.fromhex("1f0601 1f0618 1b1f06 01") in data


def test_a_picture_that_is_too_wide_prints_as_text() -> None:
    """As the manual says: a width beyond the paper's must never be configured."""
    paper = StarPaper(384)
    paper.feed(b"\x1bk\x48\x00" + b"\x07A" * 36 * 24)
    assert paper.stray == [b"\x1bk\x48\x00"]
    assert paper.drawer_kicks == 36 * 24


def test_escpos_on_a_star_is_noise() -> None:
    """FS & opens the drawer, ESC a feeds, GS drops what follows it: the profile must be right."""
    paper = StarPaper(384)
    paper.feed(b"\x1ba\x02" + b"\x1d!\x11" + b"\x1c&" + "豆浆\n".encode("gbk") + b"\x1dVB\x00")
    assert paper.text == "\n\n&豆浆"
    assert paper.unprinted == "B"
    assert paper.drawer_kicks == 1
    assert (paper.line_feeds, paper.cuts) == (3, 0)
    assert paper.stray == [b"\x1d!", b"\x11", b"\x1dV"]


def test_unknown_commands_leak_their_parameters() -> None:
    """ESC and the byte after it are dropped, what a host meant as parameters prints."""
    paper = StarPaper()
    paper.feed(b"a\x1b(A\x0b\x00\x61\x64\x1b\x1dZ!\x1b\x1eZb\x7f\n")
    assert paper.stray == [b"\x1b(", b"\x0b", b"\x1b\x1dZ", b"\x1b\x1eZ", b"\x7f"]
    assert paper.text == "aAad!b"


@pytest.mark.parametrize(("cut", "fed"), [(b"\x1bd\x00", 0), (b"\x1bd1", 0), (b"\x1bd\x02", 1), (b"\x1bd3", 1)])
def test_every_cut_ends_a_piece(cut: bytes, fed: int) -> None:
    """n as a number or a digit; 2 and 3 feed past the knife, 0 and 1 leave the last line on the next piece."""
    paper = StarPaper(knife_dots=32)
    paper.feed(b"one\ntwo\n" + cut + b"three\n")
    assert [piece.text for piece in paper.pieces] == ["one\ntwo" if fed else "one"]


def test_settings_of_stars_own() -> None:
    """Sizes by ESC i, W and h, alignment at the start of a line only, feeds in millimetres, ESC @ undoes it all."""
    paper = StarPaper()
    paper.feed(
        b"\x1b\x1da2\x1bi12ab\x1b\x1da\x00\n\x1bW1\x1bh0c\n\x1bi\x06\x00d\x1b@plain\n\x1ba\x02\x1bI\x18\x1bJ\x0c"
    )
    first, second, third = [line for line in paper.current.lines if line.text]
    assert (first.align, first.runs[0].width, first.runs[0].height) == (Side.RIGHT, 3, 2)
    assert (second.runs[0].width, second.runs[0].height) == (2, 1)
    assert (third.text, third.align, third.runs[0].width) == ("plain", Side.LEFT, 1)
    assert paper.line_feeds == 3 + 2 + 2


_PARTS = st.sampled_from(
    [
        *(b"\n", b"\r", b"\0", b"\x1b@", b"\x1bi\x01\x02", b"\x1b4", b"\x1b5", b"\x1b\x1da\x01", b"\x1bd\x03", b"\x07"),
        *(
            b"\x1bk\x02\x00" + b"\x1b\x06\x18\x0a" * 12,
            b"\x1b\x1d\x03\x01A7",
            b"\x1b\x06\x01",
            b"\x05",
            b"\x04",
            b"\x17",
        ),
        *(
            b"\x1bB\x01\x02\x00",
            b"\x1bK\x02\x00ab",
            b"\x1bX\x01\x00abc",
            b"\x1bC\x00\x05",
            b"\x1bb1234A\x1e",
            b"\x1bz\x01",
        ),
        *(b"\x1b\x1dS\x01\x02\x00\x02\x00\x00abcd", b"\x1b\x1d\x19\x12\x01\x01\x00", b"\x1b\x1d#,00000\n\0", b"\x1b"),
    ]
)
_STREAMS = st.lists(
    st.one_of(
        _PARTS, st.text("abc 宫保鸡丁，·", max_size=60).map(lambda text: text.encode("gbk")), st.binary(max_size=4)
    ),
    max_size=25,
).map(b"".join)


@given(_STREAMS, st.lists(st.integers(0, 400), max_size=12))
@settings(max_examples=300, deadline=None)
def test_chunks_make_no_difference(data: bytes, cuts: list[int]) -> None:
    """The same bytes give the same paper and the same answers wherever they are split."""
    with talking() as (whole, one), talking() as (chunked, other):
        whole.receive(data)
        for start, end in pairwise([0, *sorted(cuts), len(data)]):
            chunked.receive(data[start:end])
        papers = [(p.paper.pieces, p.paper.current, p.paper.stray, p.paper.events) for p in (whole, chunked)]
        assert papers[0] == papers[1]
        assert one.heard == other.heard


# --- answers -------------------------------------------------------------------------------------------------------


class Ear:
    """A host that hears everything at once."""

    def __init__(self) -> None:
        self.heard = b""

    def send(self, data: bytes) -> bool:
        self.heard += data
        return True

    def drop(self, reset: bool) -> None:
        """Nothing to do."""

    def take(self) -> bytes:
        heard, self.heard = self.heard, b""
        return heard


@contextmanager
def talking(spec: PrinterSpec | None = None) -> Iterator[tuple[VirtualPrinter, Ear]]:
    with VirtualPrinter(spec or PrinterSpec(language="star")) as printer:
        ear = Ear()
        printer.attach(ear)
        yield printer, ear


def test_the_document_counter_echoes_the_question() -> None:
    """ESC GS ETX with s 1 counts and answers with both of the host's bytes; s 0 only reads, s 2 clears silently."""
    with talking() as (printer, host):
        printer.receive(question(s=0))
        assert host.take() == done(0x41, 0x37, 0, s=0)
        printer.receive("宫保鸡丁\n".encode("gbk") + END + question())
        assert host.take() == done(0x41, 0x37, 1)
        printer.receive(question(0x7E, 0x20) + question(s=2) + question(s=0))
        assert host.take() == done(0x7E, 0x20, 2) + done(0x41, 0x37, 0, s=0)
        printer.receive(question(0, 0) * 257)
        assert host.take().endswith(done(0, 0, 0) + done(0, 0, 1))


def test_the_answer_waits_for_paper() -> None:
    """It comes only when everything before it is printed, a line in the buffer too; meanwhile the status says why."""
    with talking() as (printer, host):
        printer.run_out_of_paper(after_lines=1)
        printer.receive(b"one\ntwo" + question() + ASK)
        assert host.take() == bytes.fromhex("23 06 08 00 00 0c 00 00 00")
        printer.load_paper()
        assert host.take() == done(0x41, 0x37, 1)
        assert printer.paper.text == "one\ntwo"


def test_the_counter_outlives_a_connection_and_not_the_power() -> None:
    """An answer for a host that is gone is lost; the count tells the next one. A power cut starts it anew."""
    with talking() as (printer, host):
        printer.detach(host)
        printer.receive(question())
        printer.attach(host)
        assert host.take() == b""
        printer.receive(question(s=0))
        assert host.take() == done(0x41, 0x37, 1, s=0)
        printer.power_cycle()
        printer.attach(host)
        printer.receive(question(s=0))
        assert host.take() == done(0x41, 0x37, 0, s=0)


def test_answers_can_be_troubled() -> None:
    """The document counter's answers have a class of their own among the faults."""
    with talking() as (printer, host):
        printer.trouble_replies(Trouble.LOSE, Reply.DOCUMENT, count=1)
        printer.receive(question() + question())
        assert host.take() == done(0x41, 0x37, 2)


@pytest.mark.parametrize(
    ("upset", "status", "enq", "eot"),
    [
        ("load_paper", "23 06 00 00 00 00 00 00 00", 0x00, 0x10),
        ("run_out_of_paper", "23 06 08 00 00 0c 00 00 00", 0x08, 0x1C),
        ("set_paper_low", "23 06 00 00 00 04 00 00 00", 0x00, 0x14),
        ("open_cover", "23 06 28 00 00 00 00 00 00", 0x04, 0x10),
        ("jam_cutter", "23 06 08 08 00 00 00 00 00", 0x00, 0x10),
        ("break_down", "23 06 08 20 00 00 00 00 00", 0x04, 0x10),
    ],
)
def test_status_tells_what_a_person_must_do(upset: str, status: str, enq: int, eot: int) -> None:
    """ESC ACK SOH, ENQ and EOT, in real time: also while the printer stands still with a full buffer."""
    with talking() as (printer, host):
        getattr(printer, upset)()
        printer.receive(b"ticket\n" + ASK)
        assert host.take() == bytes.fromhex(status)
        printer.receive(b"\x05")
        assert host.take() == bytes((enq,))
        printer.receive(b"\x04")
        assert host.take() == bytes((eot,))


def test_a_network_board_wraps_its_answers() -> None:
    """It greets with the status, sets bit 7 of the second byte, and sends a Length with what follows."""
    with talking(PrinterSpec(language="star", framed=True)) as (printer, host):
        status = bytes.fromhex("23 86 00 00 00 00 00 00 00")
        assert host.take() == status + b"\0\0"
        printer.receive(ASK)
        assert host.take() == status + b"\0\0"
        printer.receive(question())
        assert host.take() == status + b"\x00\x0f" + b"20:B\x00\x08" + done(0x41, 0x37, 1) + b";"
        printer.receive(b"\x05")
        assert host.take() == status + b"\x00\x08" + b"01:B\x00\x01" + b"\x00" + b";"


def test_status_comes_by_itself_once_enabled() -> None:
    """ESC RS a 1: at each change, and at ETB with its five-bit counter, which ESC RS E clears."""
    with talking() as (printer, host):
        printer.open_cover()
        assert host.take() == b""
        printer.close_cover()
        printer.receive(b"\x1b\x1ea\x01" + b"\x17" * 2)
        assert host.take() == bytes.fromhex("23 06 02 00 00 00 00 02 00 23 06 02 00 00 00 00 04 00")
        printer.receive(b"\x17" * 29)
        assert host.take().endswith(bytes.fromhex("23 06 02 00 00 00 00 6e 00"))
        printer.receive(b"\x1b\x1eE\x00")
        printer.open_cover()
        assert host.take() == bytes.fromhex("23 06 28 00 00 00 00 00 00")
        printer.close_cover()
        assert host.take() == WELL
        printer.receive(b"\x1b\x1ea\x00")
        printer.open_cover()
        assert host.take() == b""


@pytest.mark.parametrize("tier", [2, 3])
def test_older_models_do_not_know_the_counter(tier: int) -> None:
    """They take the command and stay silent: only asking tells."""
    with talking(PrinterSpec(language="star", tier=tier)) as (printer, host):
        printer.receive(question() + ASK + b"ok\n")
        assert host.take() == (WELL if tier == 2 else b"")
        assert printer.paper.text == "ok"


def test_a_reset_in_real_time_drops_what_was_not_printed() -> None:
    """ESC ACK CAN, also while the printer waits for paper."""
    with talking() as (printer, host):
        printer.run_out_of_paper()
        printer.receive(b"lost\n" + question() + b"\x1b\x06\x18")
        printer.load_paper()
        printer.receive(b"kept\n")
        assert (printer.paper.text, host.take()) == ("kept", b"")


def test_commands_are_not_mistaken_for_questions() -> None:
    """04h and 05h as parameters, and text, ask nothing; ESC ACK in a picture does, as the worse case."""
    with talking() as (printer, host):
        printer.receive(b"\x1bJ\x05\x1b\x1d\x03\x04\x00\x00\x1bk\x01\x00" + b"\x05\x04" * 12 + b"\n")
        assert host.take() == b""
        printer.receive(b"\x1bk\x01\x00" + ASK * 8 + b"\n")
        assert host.take() == WELL


@settings(max_examples=60, deadline=None)
@given(HOSTILE, st.binary(min_size=2, max_size=2))
def test_a_ticket_and_its_question_always_come_back(text: str, token: bytes) -> None:
    """Both bytes of the question are free for the printer; a host avoids control bytes for its own line's sake."""
    rows = typeset(Layout((Line((Run(text),)),)), 32)
    with talking() as (printer, host):
        printer.receive(encode(rows, 32, profile=STAR).data + question(token[0], token[1]))
        assert host.take() == done(token[0], token[1], 1)
        assert printer.paper.cuts == 1
