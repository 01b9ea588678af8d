"""Bytes from a printer, told apart. Pure: no link, no clock.

The classes are disjoint by their low bits (Epson's ESC/POS reference, "status"): ASB starts `0xx1xx00`, DLE EOT answers
`0xx1xx10`, GS r answers `0xx0xxxx`, XON 11h, XOFF 13h, and blocks start 35h/37h/3Bh/3Dh/5Fh and end 00h.
"""

from collections.abc import Callable

import msgspec

from agent.model.printer import Need, PrinterStatus

BLOCK_STARTS = b"\x35\x37\x3b\x3d\x5f"
LONGEST_BLOCK = 100
LONGEST_INTERRUPTED = 400
"""With the flow control that came in it: a printer may say XOFF for ever."""

FENCE_ANSWERS = frozenset(
    byte for byte in range(256) if not byte & 0x90 and byte & 3 in (0, 3) and byte & 12 in (0, 12)
)
"""GS r 1: the two near-end bits and the two paper-end bits go together; bits 5 and 6 are undefined."""


def says_paper_out(answer: int) -> bool:
    """GS r 1: is the roll at its end, or gone?"""
    return bool(answer & 0x0C)


_FLOW = b"\x11\x13"


class RealTime(msgspec.Struct, frozen=True):
    """An answer to DLE EOT n. Which n is not in the byte: ask one thing at a time, or in a known order."""

    byte: int


class Fence(msgspec.Struct, frozen=True):
    """An answer to GS r: the printer got past everything before it."""

    byte: int


class Asb(msgspec.Struct, frozen=True):
    """Automatic status: four bytes."""

    data: bytes


class Block(msgspec.Struct, frozen=True):
    """A framed answer: what stands between its first byte (kept) and the closing 00h (dropped)."""

    data: bytes


Reply = RealTime | Fence | Asb | Block


class ReplyParser:
    """Cuts the printer's byte stream into replies, whatever pieces it comes in, and drops what is none: `rubbish`
    counts those bytes, flow control aside.

    `first` tells the length of what stands first, 0 when more bytes are needed, and the reply that it is.
    """

    def __init__(self, first: Callable[[bytes], tuple[int, Reply | None]] | None = None) -> None:
        self._first = first or _first
        self._pending = b""
        self.rubbish = 0

    def feed(self, data: bytes) -> list[Reply]:
        """The replies that are complete with these bytes."""
        self._pending += data
        replies: list[Reply] = []
        while self._pending:
            size, reply = self._first(self._pending)
            if size == 0:
                break
            if reply is not None:
                replies.append(reply)
            elif self._pending[0] not in _FLOW:
                self.rubbish += size
            self._pending = self._pending[size:]
        return replies

    def reset(self) -> None:
        """Forget half a reply: what comes next starts afresh."""
        self._pending = b""


def _first(data: bytes) -> tuple[int, Reply | None]:
    """The length of what stands first and the reply it is; length 0 when more bytes are needed."""
    first = data[0]
    if first in BLOCK_STARTS:
        return _block(data)
    if first & 0x93 == 0x10:
        return _asb(data)
    if first & 0x93 == 0x12:
        return 1, RealTime(first)
    return 1, Fence(first) if first in FENCE_ANSWERS else None


def _block(data: bytes) -> tuple[int, Reply | None]:
    data = data[:LONGEST_INTERRUPTED]
    body = data.translate(None, _FLOW)  # XOFF may interrupt a block
    end = body.find(0, 1)
    content = body[:end] if end >= 0 else body
    if end < 0 and len(data) == LONGEST_INTERRUPTED:
        return 1, None
    if len(content) > LONGEST_BLOCK or not content.isascii() or not content.decode("ascii").isprintable():
        return 1, None
    return (data.index(0) + 1, Block(content)) if end >= 0 else (0, None)


def _asb(data: bytes) -> tuple[int, Reply | None]:
    for position in range(1, 4):
        if position >= len(data):
            return 0, None
        if data[position] & 0x90:
            return 1, None
    return 4, Asb(data[:4])


def status_from_realtime(offline: int, cause: int, error: int, paper: int) -> PrinterStatus:
    """The answers to DLE EOT 1, 2, 3 and 4."""
    needs = set()
    if paper & 0x60 or cause & 0x20:
        needs.add(Need.PAPER)
    if cause & 0x04:
        needs.add(Need.COVER)
    if error & 0x08:
        needs.add(Need.CUTTER)
    if error & 0x60 or cause & 0x40:
        needs.add(Need.ERROR)
    if offline & 0x08 and not needs:
        needs.add(Need.OFFLINE)
    return PrinterStatus(frozenset(needs), paper_low=bool(paper & 0x0C))


def status_from_asb(data: bytes) -> PrinterStatus:
    """Four ASB bytes (GS a). Their layout is not that of the four DLE EOT answers."""
    needs = set()
    if data[2] & 0x0C:
        needs.add(Need.PAPER)
    if data[0] & 0x20:
        needs.add(Need.COVER)
    if data[1] & 0x08:
        needs.add(Need.CUTTER)
    if data[1] & 0x64:
        needs.add(Need.ERROR)
    if data[0] & 0x08 and not needs:
        needs.add(Need.OFFLINE)
    return PrinterStatus(frozenset(needs), paper_low=bool(data[2] & 0x03))


def process_id(block: Block) -> str | None:
    """The token in a `37 22 d1 d2 d3 d4 00` answer, else None."""
    data = block.data
    if len(data) == 6 and data[:2] == b"\x37\x22":
        return data[2:].decode("ascii")
    return None


def out_of_paper(block: Block) -> bool:
    """Caysn's `37 33 id … 00`: the ticket stopped for want of paper."""
    return block.data[:2] == b"\x37\x33"


def counter(block: Block) -> int | None:
    """The number in a `5F digits 00` answer to GS g 2, else None."""
    digits = block.data[1:]
    if block.data[:1] == b"\x5f" and digits.isdigit() and len(digits) <= 18:
        return int(digits)
    return None
