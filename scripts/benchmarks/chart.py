"""One picture of the scenes, as SVG: a bar for each contender, of what a kitchen would stumble over; pure."""

from collections.abc import Sequence
from xml.sax.saxutils import escape

from scripts.benchmarks.peertables import Total

WIDTH, MARGIN, ROW, BAR = 720, 24, 84, 26
COLOURS = {"lost": "#c0392b", "doubled": "#e08e0b", "partial": "#7d5ba6"}
WORDS = {"lost": "lost", "doubled": "twice, unmarked", "partial": "in part, unmarked"}
GOOD, INK, PALE = "#1e7d4f", "#1c1f24", "#5c6570"
_FONT = "font-family='system-ui, -apple-system, Segoe UI, Roboto, sans-serif'"


def draw(totals: Sequence[Total], names: Sequence[str], below: str) -> str:
    """The picture. `names` are the contenders' words, `below` a line under the bars."""
    head = 118
    height = head + ROW * len(totals) + 40
    most = max((total.wrong for total in totals), default=0) or 1
    orders = max((total.orders for total in totals), default=0)
    parts = [
        f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {WIDTH} {height}' {_FONT} fill='{INK}'>",
        f"<rect width='{WIDTH}' height='{height}' rx='12' fill='#ffffff'/>",
        _text(MARGIN, 44, f"{orders:,} orders, and everything goes wrong", 28, weight=700),
        *_legend(82),
    ]
    for at, (total, name) in enumerate(zip(totals, names, strict=True)):
        parts += _row(head + ROW * at, total, name, (WIDTH - 2 * MARGIN - 130) / most)
    return "\n".join([*parts, _text(MARGIN, height - 20, below, 17, PALE), "</svg>"]) + "\n"


def _legend(y: int) -> list[str]:
    parts, x = [], MARGIN
    for kind, colour in COLOURS.items():
        parts.append(f"<rect x='{x}' y='{y - 16}' width='20' height='20' rx='4' fill='{colour}'/>")
        parts.append(_text(x + 28, y, WORDS[kind], 20, PALE))
        x += 28 + 11 * len(WORDS[kind]) + 26
    return parts


def _row(y: int, total: Total, name: str, dots_each: float) -> list[str]:
    ours = total.name == "agent"
    parts = [_text(MARGIN, y + 24, name, 21, weight=700 if ours else 400)]
    x = float(MARGIN)
    for kind, colour in COLOURS.items():
        if count := getattr(total, kind):
            length = max(2.0, count * dots_each)
            parts.append(f"<rect x='{x:.1f}' y='{y + 34}' width='{length:.1f}' height='{BAR}' fill='{colour}'/>")
            x += length
    if total.wrong:
        parts.append(_text(x + 10, y + 55, str(total.wrong), 22, weight=700))
    else:
        more = f", {total.marked} printed again, marked REPRINT" if total.marked else ""
        parts.append(f"<rect x='{MARGIN}' y='{y + 34}' width='6' height='{BAR}' fill='{GOOD}'/>")
        parts.append(_text(MARGIN + 18, y + 55, f"0{more}", 22, GOOD, 700))
    return parts


def _text(x: float, y: float, words: str, size: int, colour: str = INK, weight: int = 400) -> str:
    style = f"font-size='{size}' fill='{colour}' font-weight='{weight}'"
    return f"<text x='{x:.1f}' y='{y:.1f}' {style}>{escape(words)}</text>"
