"""Kitchen tickets read back from paper, as a cook would: by the printed words alone, knowing nothing of who sent them.

A piece of paper holds one ticket, or what became of several where nobody cut in between.
"""

import re
from collections.abc import Iterable
from enum import StrEnum
from itertools import pairwise

import msgspec

from agent.simulator.piece import Bitmap, Line, Piece

_REPRINT = re.compile(r"^\s*补打\s*REPRINT\s*#(\S+)")
_ASKED = re.compile(r"a copy, asked for")
_AMENDED = re.compile(r"^\s*(?:改单\s*(?:AMENDED\s*)?第(?P<zh>\d+)版|AMENDED\s*rev (?P<en>\d+))")
_ONLY_CHANGES = re.compile(r"^\s*(只列变动|only what changed)")
_VOID = re.compile(r"^\s*作废\s*CANCELLED")
_STANDS_IN = re.compile(r"^\s*(?:代打\s*)?(?:代打|printed for)\s*[::]\s*(\S.*?)\s*$")
_OTHER_BANNER = re.compile(r"^\s*(迟到|LATE\b|旧单(?!待定)|OLD \d|缺单|MISSING #|代打|printed for)")
_LATE = re.compile(r"^\s*(迟到|LATE\b|旧单(?!待定)|OLD \d)")
_LISTING = re.compile(r"^\s*(旧单待定|OLD ORDERS|订单太多|TOO MANY ORDERS|预订单|UPCOMING ORDERS)")
_PLAIN_BANNER = re.compile(r"作废\s*CANCELLED|补打\s*REPRINT")
_PAGE = re.compile(r"^\s*(欢迎(\s*WELCOME)?|WELCOME|打印测试(\s*PRINT TEST)?|PRINT TEST)\s*$")
_NOTICE = re.compile(rf"^\s*(报警|ALARM\b)|{_LISTING.pattern}|{_PAGE.pattern}")
_HEADER = re.compile(r"\s*#(\S+)(\s|$)")
_FOOTER = re.compile(r"(\S+)\s+(?:流水\s*No\.|No\.(?=\d{3,}(?:\s+\d+/\d+)?\s*$))(\d+)")
_PRINTED_AT = re.compile(r"(?:打印|printed)\s+((?:\d\d-\d\d )?\d\d:\d\d:\d\d)")
_COPY = re.compile(r"(?:联|copy)\s+(\d+/\d+)")


PICTURE = "\ufffc"
"""Among the words: here something is drawn, which we can't read."""


class Banner(StrEnum):
    """What a ticket's head says that it is."""

    ORDER = "order"
    AMEND = "amend"
    VOID = "void"


class Printed(msgspec.Struct):
    """One ticket on paper, or a part of one. `words` are its characters without any blanks, with PICTURE for a picture.

    `number` and `station` are empty, `running` is 0 where the paper does not say. `marked`: it bears the inverted
    banner 补打 REPRINT, `asked`: which says that somebody wanted it. `whole`: it has its head, its running number and
    the time of printing (`at`) at the end. `only_changes`: a revision that does not say what stays as it was.
    `damaged`: a banner of it is not white on black, and may be overlooked; such a ticket is not whole. `printed_for` is
    whom this printer stands in for (代打). `late`: it says that it is out of turn, or old. `notice`: no ticket, but an
    alarm to the staff, a page that welcomes or tests, or a list of orders (`listing`). `behind_part`: what came before
    it is no whole ticket, and may be its head. `body` are the words from the head on.
    """

    printer: str
    number: str = ""
    station: str = ""
    running: int = 0
    banner: Banner = Banner.ORDER
    rev: int = 0
    only_changes: bool = False
    copy: str = ""
    marked: bool = False
    asked: bool = False
    has_head: bool = False
    damaged: bool = False
    whole: bool = False
    printed_for: str = ""
    late: bool = False
    at: str = ""
    notice: bool = False
    listing: bool = False
    behind_part: bool = False
    words: str = ""
    body: str = ""


def read_paper(printer: str, pieces: Iterable[Piece]) -> list[Printed]:
    """The tickets and parts of tickets on a printer's paper, in order; blank pieces are nothing."""
    tickets = [ticket for piece in pieces for ticket in read_piece(printer, piece)]
    for before, ticket in pairwise(tickets):
        ticket.behind_part = not (before.whole or before.notice)
    return tickets


def read_piece(printer: str, piece: Piece) -> list[Printed]:
    """What one piece of paper holds."""
    found = [Printed(printer)]
    for item in piece.items:
        if isinstance(item, Line):
            if _begins(item, found[-1]):
                found.append(Printed(printer))
            _read_line(item, found[-1])
        if (isinstance(item, Bitmap) or (isinstance(item, Line) and item.images)) and found[-1].has_head:
            found[-1].words = found[-1].words.removesuffix(PICTURE) + PICTURE
    if not found[0].words and piece.bitmaps and not piece.is_blank:
        found[0].words = "(picture)"
    return [ticket for ticket in found if ticket.words]


def _begins(line: Line, current: Printed) -> bool:
    """Does this line begin another ticket, though nobody cut?"""
    black = _black(line)
    if _NOTICE.search(black):  # always the first line
        return bool(current.words)
    if reprint := _REPRINT.search(black):  # the first line, and the last one too
        return bool(current.words) and not (current.whole and reprint.group(1) == current.number)
    if (stands_in := _STANDS_IN.search(black)) and current.whole and stands_in.group(1) == current.station:
        return False  # its last line
    known = current.has_head or current.running  # an end without its head says at least its number
    return bool(known) and (_is_banner(line) or (_is_large_head(line) and not current.listing))


def _is_banner(line: Line) -> bool:
    black = _black(line)
    return any(banner.search(black) for banner in (_REPRINT, _AMENDED, _VOID, _OTHER_BANNER))


def _is_large_head(line: Line) -> bool:
    return bool(line.runs) and line.runs[0].width > 1 and _head(line) is not None


def _head(line: Line) -> str | None:
    """The order's number, where the line is a ticket's head."""
    if not line.runs or line.runs[0].inverted:
        return None
    match = _HEADER.match(line.text)
    return match.group(1) if match else None


def _black(line: Line) -> str:
    return "".join(run.text for run in line.runs if run.inverted)


def _read_line(line: Line, ticket: Printed) -> None:
    text = line.text
    words = "".join(text.split())
    ticket.words += words
    if not ticket.has_head:
        _read_top(line, ticket)
    elif not ticket.running and (footer := _FOOTER.match(text)):
        ticket.station, ticket.running = footer.group(1), int(footer.group(2))
    elif ticket.running and (printed := _PRINTED_AT.search(text)):
        ticket.whole, ticket.at = not ticket.damaged, printed.group(1)
    elif ticket.whole and (stands_in := _STANDS_IN.search(_black(line))):
        ticket.printed_for = stands_in.group(1)
    elif ticket.whole and (reprint := _REPRINT.search(_black(line))):
        ticket.marked = reprint.group(1) == ticket.number or ticket.marked
    # A copy's number stands in the banner's line of a reprint, else in the last lines.
    if (ticket.marked or ticket.running) and (copy := _COPY.search(text)):
        ticket.copy = copy.group(1)
    ticket.body += words if ticket.has_head else ""


def _read_top(line: Line, ticket: Printed) -> None:
    black = _black(line)
    if _NOTICE.search(black):
        ticket.notice = ticket.has_head = True
        ticket.listing = _LISTING.search(black) is not None
    elif reprint := _REPRINT.search(black):
        ticket.marked, ticket.number = True, reprint.group(1)
    elif _ASKED.search(black):
        ticket.asked = ticket.marked
    elif amended := _AMENDED.search(black):
        ticket.banner, ticket.rev = Banner.AMEND, int(amended["zh"] or amended["en"])
    elif ticket.rev and _ONLY_CHANGES.search(line.text):
        ticket.only_changes = True
    elif _VOID.search(black):
        ticket.banner = Banner.VOID
    elif stands_in := _STANDS_IN.search(black):
        ticket.printed_for = stands_in.group(1)
    elif _LATE.search(black):
        ticket.late = True
    elif _PLAIN_BANNER.search(line.text):
        ticket.damaged = True
    elif (number := _head(line)) is not None:
        ticket.has_head, ticket.number = True, number
    elif footer := _FOOTER.match(line.text):
        ticket.station, ticket.running = footer.group(1), int(footer.group(2))
