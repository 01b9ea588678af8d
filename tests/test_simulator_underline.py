"""Underlines on the virtual paper: ESC - and FS - of Epson's command reference, and what the picture shows of them."""

import pytest

from agent.simulator.paper import Paper
from agent.simulator.piece import Piece

HAO = "好".encode("gbk")


def printed(data: bytes) -> Piece:
    paper = Paper()
    paper.feed(data)
    assert paper.stray == []
    return paper.current


@pytest.mark.parametrize(
    ("data", "underlined"),
    [
        (b"a\x1b-\x01b\x1b-\x00c", ["b"]),
        (b"\x1b-\x02b\x1b-0c", ["b"]),
        (b"\x1b-2b\x1b-\x03c", ["bc"]),
        (b"\x1b-\x01" + HAO + b"b", ["b"]),
        (b"\x1c-\x01" + HAO + b"b", ["好"]),
        (b"\x1c-\x01\x1b-\x01" + HAO + b"b\x1c-\x00" + HAO, ["好b"]),
        (b"\x1b!\x80b\x1b!\x00c", ["b"]),
        (b"\x1c!\x80" + HAO + b"b", ["好"]),
        (b"\x1b-\x01b\x1b@c", []),
        (b"\x1b-\x01b\x1dB\x01c", ["b"]),
    ],
)
def test_underlined_runs_are_told(data: bytes, underlined: list[str]) -> None:
    """ESC - is for single-byte characters, FS - for Chinese ones; white on black is never underlined (GS B)."""
    assert [run.text for run in printed(data + b"\n").underlined] == underlined


def test_the_picture_shows_the_line_below_the_characters() -> None:
    """Over the whole run, its spaces too, and nowhere else."""
    plain, lined = printed(b"a  b\n").image(), printed(b"a \x1b-\x01 b\n").image()
    changed = [
        (x, y)
        for x in range(plain.width)
        for y in range(plain.height)
        if plain.getpixel((x, y)) != lined.getpixel((x, y))
    ]
    left, top = 16 + 32, 16 + 28
    assert {x for x, _ in changed} == set(range(left + 24, left + 48))
    assert {y for _, y in changed} == {top + 22, top + 23}
