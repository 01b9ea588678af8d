"""What a till that shares a printer leaves on the paper: nobody may take it for ours, nor ours for its."""

from msgspec.structs import replace

from agent.simulator.piece import Item, Line, Piece

TILL = "$"
"""Its receipts say nothing else, and no ticket says that."""


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
