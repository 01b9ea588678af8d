"""The virtual printer's remote control: JSON lines in, a JSON line back for each.

{"do": "paper_out", "after_lines": 3}   {"do": "cut_link", "after": 100}   {"do": "refuse", "on": true}
{"do": "replies", "trouble": "lose", "reply": "process_id", "count": 1}   {"do": "state"}   {"do": "paper"}
"""

from collections.abc import Callable
from typing import Any

import msgspec

from agent.simulator.faults import Reply, Trouble
from agent.simulator.piece import Piece, Run
from agent.simulator.printer import VirtualPrinter

Answer = dict[str, Any]


class Command(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One line of the remote control. `since` skips that many pieces in the answer to `paper`."""

    do: str
    on: bool = True
    after_lines: int = 0
    after: int = 0
    at: int | None = None
    reset: bool = False
    trouble: Trouble = Trouble.LOSE
    reply: Reply | None = None
    count: int | None = None
    delay_s: float = 0.0
    since: int = 0


def perform(printer: VirtualPrinter, line: str | bytes) -> Answer:
    """Obey one JSON line; `{"ok": false, "error": ...}` says what is wrong with it, and nothing was done."""
    try:
        command = msgspec.json.decode(line, type=Command)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        return {"ok": False, "error": str(error)}
    action = _ACTIONS.get(command.do)
    if action is None:
        return {"ok": False, "error": f"no such command: {command.do}; there are: {', '.join(sorted(_ACTIONS))}"}
    return {"ok": True, **(action(printer, command) or {})}


def state(printer: VirtualPrinter) -> Answer:
    """Sensors, buffer, counts and faults, as JSON can say them."""
    return {
        "name": printer.name,
        "tier": printer.spec.tier,
        "powered": printer.powered,
        "online": printer.powered and not printer.sensors.offline,
        "connected": printer.connected,
        "sensors": msgspec.to_builtins(printer.sensors),
        "wire": msgspec.to_builtins(printer.wire),
        "reply_faults": msgspec.to_builtins(printer.reply_faults),
        "received": printer.received,
        "buffered": printer.buffered,
        "unprinted": printer.paper.unprinted,
        "pieces": len(printer.paper.pieces),
        "lines": printer.paper.line_feeds,
        "cuts": printer.paper.cuts,
        "power_cycles": printer.power_cycles,
        "drawer_kicks": printer.paper.drawer_kicks,
        "stray": [stray.hex(" ") for stray in printer.paper.stray],
    }


def pieces(printer: VirtualPrinter, since: int = 0) -> Answer:
    """The paper: each piece's lines with their runs, and the piece that still hangs out."""
    paper = printer.paper
    return {
        "pieces": [piece_as_json(piece) for piece in paper.pieces[since:]],
        "current": piece_as_json(paper.current),
        "events": [
            {"kind": event.kind, "command": event.command.hex(" "), "reason": event.reason} for event in paper.events
        ],
    }


def piece_as_json(piece: Piece) -> Answer:
    """One piece of paper."""
    return {
        "text": piece.text,
        "grid": piece.grid(),
        "lines": [
            {"text": line.text, "align": line.align.name.lower(), "runs": [_run(run) for run in line.runs]}
            for line in piece.lines
        ],
        "bitmaps": [[bitmap.printed_width, bitmap.printed_height] for bitmap in piece.bitmaps],
        "codes": [{"kind": code.kind, "data": code.text} for code in piece.codes],
    }


def _run(run: Run) -> Answer:
    return {
        "text": run.text,
        "width": run.width,
        "height": run.height,
        "bold": run.bold,
        "inverted": run.inverted,
        "underlined": run.underlined,
    }


def _cut_link(printer: VirtualPrinter, command: Command) -> None:
    if command.at is not None:
        printer.cut_link_at(command.at, command.reset)
    else:
        printer.cut_link(command.after, command.reset)


def _replies(printer: VirtualPrinter, command: Command) -> None:
    printer.trouble_replies(command.trouble, command.reply, command.count, command.delay_s)


_ACTIONS: dict[str, Callable[[VirtualPrinter, Command], Answer | None]] = {
    "state": lambda printer, _: state(printer),
    "paper": lambda printer, command: pieces(printer, command.since),
    "paper_out": lambda printer, command: printer.run_out_of_paper(command.after_lines),
    "paper_in": lambda printer, _: printer.load_paper(),
    "paper_low": lambda printer, command: printer.set_paper_low(command.on),
    "cover_open": lambda printer, _: printer.open_cover(),
    "cover_close": lambda printer, _: printer.close_cover(),
    "cutter_jam": lambda printer, _: printer.jam_cutter(),
    "cutter_free": lambda printer, _: printer.clear_jam(),
    "broken": lambda printer, command: printer.break_down(command.on),
    "offline": lambda printer, command: printer.go_offline() if command.on else printer.go_online(),
    "feed": lambda printer, command: printer.press_feed(command.on),
    "power_off": lambda printer, _: printer.power_off(),
    "power_on": lambda printer, _: printer.power_on(),
    "power_cycle": lambda printer, _: printer.power_cycle(),
    "save_counters": lambda printer, _: printer.save_counters(),
    "refuse": lambda printer, command: printer.refuse(command.on),
    "stall": lambda printer, command: printer.stall(command.on),
    "cut_link": _cut_link,
    "swallow": lambda printer, command: printer.swallow(command.on),
    "mute": lambda printer, command: printer.mute(command.on),
    "replies": _replies,
    "heal": lambda printer, _: printer.heal(),
}
COMMANDS = tuple(_ACTIONS)
"""What may stand behind `do`."""
