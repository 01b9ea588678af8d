"""A virtual printer that lives in the agent's own process, for `virtual://NAME`: paper in a folder, no hardware."""

import queue
import threading
from io import BytesIO
from pathlib import Path

from agent.atomicfile import replace
from agent.simulator.ports import serve_tcp
from agent.simulator.printer import PrinterSpec, VirtualPrinter
from agent.simulator.spec import ORDINARY_LINE_S

DOTS_PER_CELL = 12


def start_resident(name: str, width: int, folder: Path) -> tuple[str, int]:
    """Start a printer `width` cells wide that keeps each piece of paper as text and picture in `folder`.

    Returns the host and port where it listens; it lives as long as the process.
    """
    folder.mkdir(parents=True, exist_ok=True)
    device = VirtualPrinter(PrinterSpec(width_dots=width * DOTS_PER_CELL, line_time_s=ORDINARY_LINE_S), name)
    port = serve_tcp(device)
    threading.Thread(target=_deliver, args=(device, folder), name=f"virtual-{name}", daemon=True).start()
    return "127.0.0.1", port.port


def _deliver(device: VirtualPrinter, folder: Path) -> None:
    changes: queue.SimpleQueue[None] = queue.SimpleQueue()
    device.on_change(lambda: changes.put(None) if changes.empty() else None)
    kept = max((int(path.stem) for path in folder.glob("[0-9]*.txt")), default=0)
    shown = 0
    while True:
        for piece in device.paper.pieces[shown:]:
            shown += 1
            picture = BytesIO()
            piece.image().save(picture, format="PNG")
            name = f"{kept + shown:04d}"
            replace(folder / f"{name}.txt", f"{piece.grid()}\n".encode())  # whole, and through no link
            replace(folder / f"{name}.png", picture.getvalue())
        changes.get()
