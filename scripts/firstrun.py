"""The pictures of docs/install.md: a new box, its welcome ticket, and what a phone shows from there to the first order.

`.venv/bin/python -m scripts.firstrun [FOLDER]` plays it with a real agent, a virtual printer and Debian's Chromium.
"""

import subprocess
import sys
import tempfile
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

from PIL import Image

from agent.simulator import picture
from agent.simulator.piece import Piece
from agent.simulator.ports import serve_tcp
from agent.simulator.printer import PrinterSpec, VirtualPrinter
from agent.simulator.stage import free_port
from tests.browser import PHONE, phone
from tests.scan import scan_piece

WAIT_S = 30.0
PIN = "246810"
HEIGHT = 620
_GAP, _DESK = 12, 205
_TONES = 64


def main(folder: Path) -> None:
    """Write `install.png`: ticket, claim, set-up, the demo order, and that all is well."""
    port = free_port()
    with VirtualPrinter(PrinterSpec()) as paper, serve_tcp(paper) as line, tempfile.TemporaryDirectory() as work:
        here = Path(work)
        options = ["--config", str(here / "shop-agent.yaml"), "--listen", f"127.0.0.1:{port}"]
        command = [sys.executable, "-m", "agent", "run", "--first-run", "--printer", str(line.link), *options]
        with subprocess.Popen(command, stderr=subprocess.DEVNULL) as agent:
            try:
                shots = _play(paper, port, here)
            finally:
                agent.terminate()
    row(shots).quantize(_TONES, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE).save(
        folder / "install.png", optimize=True
    )
    print(f"{folder}/install.png")


def _play(paper: VirtualPrinter, port: int, folder: Path) -> list[Image.Image]:
    welcome = _piece(paper, "WELCOME")
    (link,) = [each.text for each in scan_piece(welcome) if "/claim" in each.text]
    shots = [picture.draw(welcome)]
    with phone(port, folder) as person:
        page = person.go(f"/claim?{link.partition('?')[2]}&next=/setup")
        page.fill("[name=pin]", PIN)
        page.fill("[name=again]", PIN)
        shots.append(shot(page.screenshot()))
        page.click("form[action='/claim'] button")
        page.wait_for_selector("#step-demo")
        shots.append(shot(page.screenshot()))
        page.click("#step-demo button")
        page.wait_for_selector("#said-demo .said")
        shots.append(picture.draw(_piece(paper, "DEMO")))
        person.go("/").wait_for_selector("main")
        shots.append(shot(page.screenshot()))
    return shots


def _piece(paper: VirtualPrinter, word: str) -> Piece:
    """The newest ticket that says this, wide letters or not."""

    def found() -> list[Piece]:
        return [piece for piece in paper.paper.pieces if word in piece.text.replace(" ", "")]

    if not paper.wait_for(lambda _: bool(found()), WAIT_S):
        raise SystemExit(f"no ticket says {word}")
    return found()[-1]


def shot(data: bytes) -> Image.Image:
    """A page's picture."""
    return Image.open(BytesIO(data)).convert("RGB")


def row(pictures: Sequence[Image.Image]) -> Image.Image:
    """Side by side on a desk, phones of one height and tickets in the phones' width."""
    width = round(HEIGHT * PHONE[0] / PHONE[1])
    fitted = [each.convert("RGB").resize((width, round(each.height * width / each.width))) for each in pictures]
    fitted = [each.crop((0, 0, width, min(HEIGHT, each.height))) for each in fitted]
    desk = Image.new("RGB", (len(fitted) * (width + _GAP) + _GAP, HEIGHT + 2 * _GAP), (_DESK,) * 3)
    for at, each in enumerate(fitted):
        desk.paste(each, (_GAP + at * (width + _GAP), _GAP))
    return desk


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path("docs"))
