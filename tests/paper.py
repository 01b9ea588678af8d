"""The paper of a printer, as it lies there. A till may share it: its receipts are nobody's tickets."""

from msgspec.structs import replace

from agent.simulator.piece import Item, Line, Piece
from agent.simulator.printer import VirtualPrinter

TILL = "$"
"""Its receipts say nothing else, and no ticket says that."""


def receipt(lines: int) -> bytes:
    """One of so many lines, by a till that ends half a command of ours first."""
    return bytes(16) + b"\x1b@" + (TILL.encode() * 20 + b"\n") * lines + b"\x1dVB\0"


def all_pieces(device: VirtualPrinter) -> list[Piece]:
    """All pieces, with what still hangs out of it, and without what a till printed."""
    paper = device.paper
    return [without_receipts(piece) for piece in (*paper.pieces, *([] if paper.current.is_blank else [paper.current]))]


def without_receipts(piece: Piece) -> Piece:
    """The piece without what the till printed on it."""
    if TILL not in piece.text:
        return piece
    return Piece(piece.width_dots, [kept for item in piece.items if (kept := _ours(item)) is not None])


def _ours(item: Item) -> Item | None:
    if not isinstance(item, Line) or TILL not in item.text:
        return item
    runs = tuple(replace(run, text=run.text.replace(TILL, "")) for run in item.runs)
    return replace(item, runs=runs) if item.images or any(run.text.strip() for run in runs) else None
