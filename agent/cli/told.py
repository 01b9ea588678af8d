"""What a file says: an order, an event, or what `shop-agent mappings test` printed."""

import sys
from pathlib import Path
from typing import Any

import click
import msgspec

from agent.errors import ConfigError, DecodeError
from agent.intake.decode import decode_data, decode_envelope
from agent.intake.strictjson import decode_tree
from agent.model.order import Cancel, PrintRaw, Upsert

Told = Upsert | Cancel | PrintRaw

FILE = click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path)
_FRAME = {"specversion": "1.0", "id": "preview", "source": "preview"}
_BLANK = {"id": "preview", "rev": 1, "channel": ""}
_NO_ITEMS = '; a cancelled order is written as {"type": "order.cancel", "data": {"order": …}}'


def read_told(file: Path) -> Told:
    """The order or the event in a file. Raises ConfigError with the place of the fault in that file."""
    name = name_of(file)
    within = ""
    try:
        tree = decode_tree(read(file))
        event, within = _event(tree, name)
        data = decode_data(decode_envelope(msgspec.json.encode(event)))[0].data
    except DecodeError as exc:
        place = exc.path.replace(within, "$", 1) if within else exc.path
        advice = _NO_ITEMS if within and "`items`" in exc.reason else ""
        raise ConfigError(f"{name}: {exc.reason} - at {place}{advice}") from exc
    if data is None:
        raise ConfigError(f"{name}: a ping is never printed; give an order")
    return data


def event_of(file: Path, name: str) -> dict[str, Any]:
    """What stands in a file, as an event: one that is written whole, or an order alone. Raises ConfigError."""
    try:
        event, _ = _event(decode_tree(read(file)), name, {})
    except DecodeError as exc:
        raise ConfigError(f"{name}: {exc.reason} - at {exc.path}") from exc
    if not isinstance(event, dict) or not isinstance(event.get("data", {}), dict):
        raise ConfigError(f"{name}: it is no order and no event; write a JSON object")
    return event


def name_of(file: Path) -> str:
    """As a person calls it."""
    return "standard input" if str(file) == "-" else str(file)


def read(file: Path) -> bytes:
    """The file's bytes; - is standard input."""
    return sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()


def _event(tree: Any, name: str, blank: dict[str, Any] = _BLANK) -> tuple[Any, str]:
    """The tree as an event, and where in that event the tree stands. A cancel is only what says so. `blank` is what an
    order has that says nothing of itself.
    """
    if not isinstance(tree, dict) or "specversion" in tree:
        return tree, ""
    if tree.get("skipped") is True:
        raise ConfigError(f"{name}: the mapping skips this payload; nothing is printed of it")
    if "parked" in tree:
        raise ConfigError(f"{name}: this payload would be parked: {tree.get('reason')} - at {tree['parked']}")
    if "data" in tree:
        return _FRAME | tree, ""
    if "raw" in tree:
        return {**_FRAME, "type": "print.raw", "data": tree}, "$.data"
    if "order" in tree:
        return {**_FRAME, "type": "order.upsert", "data": tree}, "$.data"
    return {**_FRAME, "type": "order.upsert", "data": {"order": blank | tree}}, "$.data.order"
