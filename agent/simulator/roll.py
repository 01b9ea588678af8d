"""The mechanism: a print buffer of one line, a feed motor, a knife, and the paper that has come out."""

from agent.simulator.line import LineBuffer
from agent.simulator.piece import DOTS_PER_CELL, Bitmap, Code, Feed, Item, Look, Piece, height_of
from agent.simulator.settings import Settings

FEED_LINE_DOTS = 24
"""Blank feed and pictures count as one line feed for each 24 dots (the counters' unit is model-dependent)."""


class Roll:
    """Paper that is printed on and cut. `pieces` were cut off, `current` still hangs out of the printer.

    `knife_dots` is the way from the print head to the knife: a cut without feed (GS V 0, ESC i) leaves that much of
    the print on the next piece, as real cutters do; 0 cuts right behind the last line.
    """

    def __init__(self, width_dots: int, kanji: bool, knife_dots: int) -> None:
        self.width_dots = width_dots
        self.pieces: list[Piece] = []
        self.current = Piece(width_dots)
        self.line_feeds = 0
        self.cuts = 0
        self.settings = Settings(width_dots, kanji)
        self.line = LineBuffer()
        self._kanji, self._knife_dots = kanji, knife_dots
        self._fed_dots = 0

    @property
    def text(self) -> str:
        """Every piece's text and the one in progress, in order."""
        return "\n".join(piece.text for piece in [*self.pieces, self.current] if piece.text)

    @property
    def unprinted(self) -> str:
        """Characters in the print buffer: they wait for the end of their line."""
        return self.line.text

    def reset(self) -> None:
        """ESC @, or power coming back: default settings; the line in the print buffer is lost."""
        self.settings = Settings(self.width_dots, self._kanji)
        self.line = LineBuffer()

    def put(self, text: str, look: Look, advance: int) -> int:
        """Put what fits, after printing the line where nothing does; the number of characters put."""
        width = self.settings.type.width
        if self.line.x and self.line.x + advance > width:
            self.print_line()
        fits = text[: max(1, (width - self.line.x) // advance)]
        self.line.put(fits, look, len(fits) * advance)
        return len(fits)

    def tab(self) -> None:
        """HT: on to the next tab stop, if there is one."""
        columns = (column * DOTS_PER_CELL for column in self.settings.tabs)
        self.line.x = next((x for x in columns if x > self.line.x), self.line.x)

    def go_to(self, x: int) -> None:
        """ESC $ and ESC backslash: the print position from the left margin in dots, ignored outside the area."""
        if 0 <= x <= self.settings.type.width:
            self.line.x = x

    def print_line(self) -> None:
        """LF: print the line, blank or not, and feed."""
        self.current.items.append(self.line.take(self.settings, self.settings.spacing))
        self.line_feeds += 1

    def end_line(self) -> None:
        """Print the line if there is anything on it."""
        if not self.line.is_empty:
            self.print_line()

    def feed_lines(self, count: int) -> None:
        """ESC d n; 0 prints without feeding."""
        if count == 0 and not self.line.is_empty:
            self.current.items.append(self.line.take(self.settings, 0))
        for _ in range(count):
            self.print_line()

    def feed_dots(self, dots: int) -> None:
        """ESC J n: print, feed n dots."""
        item: Item = Feed(dots) if self.line.is_empty else self.line.take(self.settings, dots)
        self.current.items.append(item)
        self._count_dots(dots)

    def add_image(self, image: Bitmap) -> None:
        """ESC *: a picture within the line; what goes past the margin is not printed."""
        self.line.put_image(image)

    def add_picture(self, picture: Bitmap | Code | Feed | None) -> None:
        """A picture or code on lines of its own, or the blank paper of one that was refused."""
        if picture is not None:
            self.end_line()
            self.current.items.append(picture)
            self._count_dots(height_of(picture))

    def cut(self, feed_dots: int | None = None) -> None:
        """Cut; with `feed_dots` the paper is first fed to the knife and that much further (GS V 66 n)."""
        self.end_line()
        left_behind: list[Item] = []
        if feed_dots is None:
            left_behind = self._below_knife()
        elif self._knife_dots + feed_dots:
            self.feed_dots(self._knife_dots + feed_dots)
        self.pieces.append(self.current)
        self.current = Piece(self.width_dots, left_behind)
        self.cuts += 1

    def _below_knife(self) -> list[Item]:
        """Take off what is printed but has not reached the knife."""
        items, dots = self.current.items, 0
        start = len(items)
        while start and dots + height_of(items[start - 1]) <= self._knife_dots:
            start -= 1
            dots += height_of(items[start])
        left_behind = items[start:]
        del items[start:]
        return left_behind

    def _count_dots(self, dots: int) -> None:
        self._fed_dots += dots
        self.line_feeds += self._fed_dots // FEED_LINE_DOTS
        self._fed_dots %= FEED_LINE_DOTS
