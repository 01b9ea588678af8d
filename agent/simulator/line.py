"""The print buffer of one line: runs side by side until the line is printed."""

from agent.simulator.piece import CELL_HEIGHT, Bitmap, Line, Look, Run
from agent.simulator.settings import Settings


class LineBuffer:
    """Characters and pictures that wait for the end of their line; `x` is the next print position in dots."""

    def __init__(self) -> None:
        self.x = 0
        self._runs: list[Run] = []
        self._images: list[Bitmap] = []

    @property
    def text(self) -> str:
        """The characters that wait."""
        return "".join(run.text for run in self._runs)

    @property
    def is_empty(self) -> bool:
        """Nothing waits to be printed."""
        return not self._runs and not self._images

    @property
    def lone_image(self) -> Bitmap | None:
        """The picture that has the whole line to itself, or None."""
        return self._images[0] if len(self._images) == 1 and not self._runs else None

    def put(self, text: str, look: Look, dots: int) -> None:
        """Set characters at the print position; what continues the last run joins it."""
        last = self._runs[-1] if self._runs else None
        if last is not None and last.look == look and last.x + last.dots == self.x:
            self._runs[-1] = Run(last.text + text, look, last.x, last.dots + dots)
        else:
            self._runs.append(Run(text, look, self.x, dots))
        self.x += dots

    def put_image(self, image: Bitmap) -> None:
        """Set a picture at the print position (ESC *)."""
        self._images.append(image)
        self.x += image.printed_width

    def take(self, settings: Settings, feed_dots: int) -> Line:
        """The line as printed, fed by `feed_dots` or its own height, whichever is more; then the buffer is empty."""
        height = feed_dots
        for run in self._runs:
            height = max(height, CELL_HEIGHT * run.look.height)
        for image in self._images:
            height = max(height, image.printed_height)
        line = Line(
            tuple(self._runs), settings.align, height, (settings.type.left, settings.type.width), tuple(self._images)
        )
        self._runs, self._images, self.x = [], [], 0
        return line
