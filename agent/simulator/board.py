"""What the demo's page shows, as messages: the paper, the printers' states, the counters, the agent's alarms.

`changes` tells what is new since it was last asked, `snapshot` all that a page needs that has just been opened.
"""

import io
from collections import deque
from typing import Any

from PIL import Image

from agent.simulator.piece import Piece
from agent.simulator.play import Note, Play
from agent.simulator.printer import VirtualPrinter
from agent.simulator.reading import Banner, Printed, read_piece
from agent.simulator.scene import Scene

Message = dict[str, Any]
SHOWN_PIECES = 10
SHOWN_NOTES = 8
_DESK_DOTS, _TEETH_DOTS = 16, 9
_END_DOTS, _HANGING_DOTS = 56, 8
"""How much white is left below the print, once cut and before: a screen is shorter than a roll."""


class Board:
    """The demo as it stands. For one thread, but for `note`."""

    def __init__(self, scene: Scene, play: Play) -> None:
        self._scene = scene
        self._play = play
        self._told = dict.fromkeys(scene.printers, 0)
        self._hanging = dict.fromkeys(scene.printers, 0)
        self._tickets: list[Printed] = []
        self._status: Message = {}
        self._notes: deque[Message] = deque(maxlen=SHOWN_NOTES)
        self._new_notes: deque[Message] = deque()

    def note(self, note: Note) -> None:
        """Something happened; from any thread."""
        message = {"kind": "note", "at": note.at, "zh": note.zh, "en": note.en}
        self._notes.append(message)
        self._new_notes.append(message)

    def snapshot(self) -> list[Message]:
        """For a page that was just opened."""
        messages: list[Message] = [{"kind": "hello"}, *self._notes]
        for name, printer in self._scene.printers.items():
            first = max(0, self._told[name] - SHOWN_PIECES)
            messages += [_piece(name, at, printer) for at in range(first, self._told[name])]
            if self._hanging[name]:
                messages.append({"kind": "live", "printer": name, "v": self._hanging[name]})
        return [*messages, self._status] if self._status else messages

    def changes(self) -> list[Message]:
        """What is new, in order."""
        messages: list[Message] = []
        while self._new_notes:
            messages.append(self._new_notes.popleft())
        for name, printer in self._scene.printers.items():
            messages += self._new_paper(name, printer)
        status = self._look()
        if status != self._status:
            self._status = status
            messages.append(status)
        return messages

    def _new_paper(self, name: str, printer: VirtualPrinter) -> list[Message]:
        messages = []
        for at in range(self._told[name], len(printer.paper.pieces)):
            messages.append(_piece(name, at, printer))
            self._tickets += read_piece(name, printer.paper.pieces[at])
            self._told[name], self._hanging[name] = at + 1, 0
        current = printer.paper.current
        lines = 0 if current.is_blank else len(current.items)
        if lines != self._hanging[name]:
            self._hanging[name] = lines
            messages.append({"kind": "live", "printer": name, "v": lines})
        return messages

    def _look(self) -> Message:
        return {
            "kind": "status",
            "printers": {name: _state(printer) for name, printer in self._scene.printers.items()},
            "agent": self._scene.agent_runs,
            "alarms": [{"key": key, "reason": reason} for key, reason in sorted(self._scene.cloud.alarms.items())],
            "counts": self._counts(),
        }

    def _counts(self) -> dict[str, int]:
        cloud = self._scene.cloud
        told = [event["data"]["order"] for event in list(cloud.events)]
        own = {(order["channel"], order["id"]): "" for order in told}
        states = own | dict(cloud.order_states)  # somebody else may publish to the demo's broker
        return {
            "orders": len(states),
            "waiting": sum(state in ("", "accepted", "held") for state in states.values()),
            "tickets": sum(ticket.whole for ticket in self._tickets),
            "duplicates": len(cloud.reported("order.state", state="duplicate")),
            "reprints": sum(ticket.whole and ticket.marked for ticket in self._tickets),
            "faults": self._play.faults,
        }


def picture(piece: Piece, hanging: bool = False) -> bytes:
    """A piece of paper as PNG: its print alone, in ink on nothing. What still hangs out has no end yet."""
    dots = piece.image()
    sheet = dots.crop((_DESK_DOTS, _DESK_DOTS, dots.width - _DESK_DOTS, dots.height - _DESK_DOTS - _TEETH_DOTS))
    black = sheet.point(lambda shade: 255 if shade < 128 else 0)
    _, _, _, end = black.getbbox() or (0, 0, 0, sheet.height)
    below = min(sheet.height, end + (_HANGING_DOTS if hanging else _END_DOTS))
    ink = black.crop((0, 0, sheet.width, below)).point(lambda shade: 0 if shade else 1).convert("P")
    ink.putpalette([28, 26, 30, 255, 255, 255])
    file = io.BytesIO()
    ink.save(file, format="PNG", bits=1, transparency=1, optimize=True)
    return file.getvalue()


def blank() -> bytes:
    """No paper at all."""
    file = io.BytesIO()
    Image.new("1", (640, 1), 1).save(file, format="PNG", transparency=1)
    return file.getvalue()


def _piece(name: str, at: int, printer: VirtualPrinter) -> Message:
    tickets = read_piece(name, printer.paper.pieces[at])
    return {"kind": "piece", "printer": name, "n": at, "tags": sorted({tag for each in tickets for tag in _tags(each)})}


def _tags(ticket: Printed) -> list[str]:
    tags = [] if ticket.whole or ticket.notice else ["torn"]
    if ticket.marked:
        tags.append("reprint")
    if ticket.banner is not Banner.ORDER:
        tags.append(ticket.banner.value)
    return tags


def _state(printer: VirtualPrinter) -> Message:
    """The printer as a person standing before it sees it."""
    sensors = printer.sensors
    word = "ready"
    if not printer.powered:
        word = "power_off"
    elif sensors.cover_open:
        word = "cover_open"
    elif sensors.paper_out:
        word = "paper_out"
    elif sensors.offline:
        word = "error"
    elif not printer.connected:
        word = "unplugged"
    elif printer.buffered:
        word = "printing"
    return {"state": word, "paper_out": sensors.paper_out, "cover_open": sensors.cover_open}
