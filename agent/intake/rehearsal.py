"""A mapping is tried on its fixtures: what comes of each payload must be what somebody saw to be right, and every
expression must have found something at least once. A wrong one fails silently, and a modifier is gone.
"""

import re
from pathlib import Path
from typing import Any

import msgspec

from agent.errors import ConfigError, DecodeError
from agent.intake.decode import decode_data, decode_tree
from agent.intake.expressions import Expression, Reader
from agent.intake.foreign import NotAnOrder, read
from agent.intake.mappingfile import MappingFile

_SHOWN = 160


class Findings(msgspec.Struct):
    """What a rehearsal found: `errors` must be mended, `warnings` should be looked at; and how many fixtures it was."""

    errors: list[str] = []
    warnings: list[str] = []
    fixtures: int = 0


def outcome(payload: bytes, file: MappingFile) -> tuple[dict[str, Any], set[Expression]]:
    """What becomes of a payload, as a fixture says it, and the expressions that found something in it.

    A fixture says `type`, `id`, `time` and `data` of the event; or `skipped`; or `parked` and where the fault is. The
    id is left out where it is the payload's digest.
    """
    reader = Reader(file.mapping.zone)
    try:
        event = read(decode_tree(payload), "digest", file.mapping, "fixture", reader)
        decode_data(event)
    except NotAnOrder:
        return {"skipped": True}, reader.matched
    except DecodeError as exc:
        return {"parked": exc.path, "reason": exc.reason}, reader.matched
    told = {"type": event.type, "id": event.id, "time": event.time, "data": event.data}
    if event.id == "digest":
        del told["id"]
    return told, reader.matched


def rehearse(file: MappingFile) -> Findings:
    """Replay every fixture of a mapping."""
    findings = Findings()
    matched: set[Expression] = set()
    for path in file.fixtures:
        findings.fixtures += 1
        try:
            got, found = outcome(path.read_bytes(), file)
            wanted = _wanted(path.with_name(path.name.replace(".input.json", ".order.json")))
        except ConfigError as exc:
            findings.errors.append(str(exc))
            continue
        matched |= found
        got.pop("reason", None)
        findings.errors += _differences(wanted, got, path, file)
    if not findings.fixtures:
        folder = file.path.parent / file.path.stem
        findings.warnings.append(
            f"{file.path}: no fixtures in {folder}, a wrong expression would not be seen; put a real payload there as "
            f"NAME.input.json, and what `shop-agent mappings test` makes of it as NAME.order.json, once it is right"
        )
        return findings
    findings.warnings += [
        f"{where}: {field}: {expression.text!r} finds nothing in any of {findings.fixtures} fixtures; correct it, or "
        f"add a fixture that has it"
        for expression, (where, field) in file.places.items()
        if expression not in matched
    ]
    return findings


def _wanted(path: Path) -> dict[str, Any]:
    try:
        wanted = msgspec.json.decode(path.read_bytes(), type=dict[str, Any])
    except OSError as exc:
        advice = "write there what `shop-agent mappings test` prints, once you have seen that it is right"
        raise ConfigError(f"{path}: it can't be read ({exc.strerror}); {advice}") from exc
    except (msgspec.MsgspecError, UnicodeDecodeError) as exc:
        raise ConfigError(f"{path}: it is not a JSON object ({exc}); write it with `shop-agent mappings test`") from exc
    wanted.pop("reason", None)
    return wanted


def _differences(wanted: Any, got: Any, path: Path, file: MappingFile) -> list[str]:
    """Where an outcome is other than its fixture says, with the expression that fills that field."""
    found = []
    for place, was, now in _compare(wanted, got, "$"):
        where, text = _blame(place, file)
        found.append(
            f"{where}: {path.name}: {place} is {_short(now)}, expected {_short(was)}{text}; correct the expression, or "
            f"the fixture where the payload's meaning has changed"
        )
    return found


def _blame(place: str, file: MappingFile) -> tuple[str, str]:
    """The line of the mapping that fills a place of the event; of a member of it, or of what holds it."""
    field = re.sub(r"\[\d+\]", "", place).removeprefix("$.data.").removeprefix("$.")
    field = re.sub(r"^(id|time|reason|by)$", r"event.\1", field)
    while field:
        for expression, (where, name) in file.places.items():
            plain = re.sub(r"\[\d+\]", "", name)
            if plain == field or plain == f"{field}.each" or plain == f"{field}.name":
                return where, f" ({name}: {expression.text})"
        field = field.rpartition(".")[0]
    return str(file.path), ""


def _compare(wanted: Any, got: Any, path: str) -> list[tuple[str, Any, Any]]:
    """The innermost places that differ."""
    if isinstance(wanted, dict) and isinstance(got, dict):
        names = [*wanted, *(name for name in got if name not in wanted)]
        return [row for name in names for row in _compare(wanted.get(name), got.get(name), f"{path}.{name}")]
    if isinstance(wanted, list) and isinstance(got, list) and len(wanted) == len(got):
        pairs = enumerate(zip(wanted, got, strict=True))
        return [row for index, (was, now) in pairs for row in _compare(was, now, f"{path}[{index}]")]
    same = type(wanted) is type(got) and wanted == got
    return [] if same else [(path, wanted, got)]


def _short(value: Any) -> str:
    if value is None:
        return "nothing"
    text = msgspec.json.encode(value).decode()
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "…"
