"""A mapping is tried on its fixtures: what comes of each payload must be what somebody saw to be right, and every
expression must have found something at least once. A wrong one fails silently, and a modifier is gone.
"""

import re
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec

from agent.errors import ConfigError, DecodeError
from agent.intake.decode import decode_data
from agent.intake.draft import Lacking
from agent.intake.expressions import Expression, Reader
from agent.intake.foreign import NotAnOrder, read
from agent.intake.mappingfile import SHIPPED, MappingFile
from agent.intake.strictjson import decode_tree
from agent.intake.unread import ignored

_SHOWN = 160


class Findings(msgspec.Struct):
    """What a rehearsal found: `errors` must be mended, `warnings` should be looked at; and how many fixtures it was.
    `halted`: a payload was not read to its end, so that nobody knows which expressions find nothing.
    """

    errors: list[str] = []
    warnings: list[str] = []
    fixtures: int = 0
    halted: bool = False


class Outcome(msgspec.Struct):
    """What becomes of a payload, as a fixture says it: `type`, `id`, `time` and `data` of the event; or `skipped`; or
    `parked` and where the fault is. The id is left out where it is the payload's digest.

    `fault` names, for one that is parked, the mapping's line and the reason. `matched` are the expressions that found
    something, `places` all that the payload has.
    """

    told: dict[str, Any]
    fault: str = ""
    matched: set[Expression] = set()
    places: set[str] = set()


def outcome(payload: bytes, file: MappingFile) -> Outcome:
    """What becomes of a payload."""
    reader = Reader(file.mapping.zone)
    tree: Any = None
    found = Outcome({})
    try:
        tree = decode_tree(payload)
        event = read(tree, "digest", file.mapping, "fixture", reader)
        decode_data(event)
        found.told = {"type": event.type, "id": event.id, "time": event.time, "data": event.data}
        if event.id == "digest":
            del found.told["id"]
    except NotAnOrder:
        found.told = {"skipped": True}
    except DecodeError as exc:
        found.told = {"parked": exc.path, "reason": exc.reason}
        where = file.places[exc.expression][0] if isinstance(exc, Lacking) else _blame(exc.path, file)[0]
        found.fault = f"{where}: it would be parked: {exc.reason} - at {exc.path}"
    found.matched, found.places = reader.matched, _places(tree)
    return found


def rehearse(file: MappingFile) -> Findings:
    """Replay every fixture of a mapping."""
    findings = Findings()
    matched: set[Expression] = set()
    places: set[str] = set()
    for path in file.fixtures:
        findings.fixtures += 1
        try:
            got = outcome(path.read_bytes(), file)
            wanted = _wanted(path.with_name(path.name.replace(".input.json", ".order.json")))
        except ConfigError as exc:
            findings.errors.append(str(exc))
            continue
        matched |= got.matched
        places |= got.places
        got.told.pop("reason", None)
        if got.fault and "parked" not in wanted:
            findings.errors.append(f"{got.fault}; {path.name} says otherwise: correct the expression, or the fixture")
            findings.halted = True
        else:
            findings.errors += _differences(wanted, got.told, path, file)
    if not findings.fixtures:
        folder = file.path.parent / file.path.stem
        findings.warnings.append(
            f"{file.path}: no fixtures in {folder}, a wrong expression would not be seen; put a real payload there as "
            f"NAME.input.json, and what `shop-agent mappings test` makes of it as NAME.order.json, once it is right"
        )
    elif not findings.halted:
        findings.warnings += [*_unfound(file, matched, findings.fixtures), *_idle(file, places)]
    return findings


def _unfound(file: MappingFile, matched: set[Expression], fixtures: int) -> list[str]:
    """The expressions that found nothing, but for what stands below an `each:` that finds nothing."""
    silent = {field: (where, each) for each, (where, field) in file.places.items() if each not in matched}
    barren = tuple(field.removesuffix("each") for field in silent if field.endswith(".each"))
    return [
        f"{where}: {field}: {expression.text!r} finds nothing in any of {fixtures} fixtures; correct it, or "
        f"add a fixture that has it"
        for field, (where, expression) in silent.items()
        if not any(field.startswith(group) and field != f"{group}each" for group in barren)
    ]


def _idle(file: MappingFile, places: set[str]) -> list[str]:
    """The ignored paths that no fixture has: they begin at the payload's top, also where there is a `root`. Ours also
    ignore what platforms only document.
    """
    found = []
    for text, where in file.ignores.items():
        if any(place in ignored([text]) for place in places):
            continue
        below = next((place for place in sorted(places) if place in ignored([f"**.{text}"])), "")
        if below or file.path.parent != SHIPPED:
            advice = f"write {below}" if below else "correct it, or add a fixture that has it"
            found.append(f"{where}: ignore: no fixture has {text!r}, counted from the payload's top; {advice}")
    return found


def _places(tree: Any) -> set[str]:
    """Every place of a payload, as `ignore` names them: lists have no numbers, JSON in texts is looked into."""
    found: set[str] = set()
    pending = [("", tree)]
    while pending:
        path, node = pending.pop()
        if path:
            found.add(path)
        if type(node) is str and node.startswith(("{", "[")):
            with suppress(DecodeError):
                pending.append((path, decode_tree(node.encode())))
        elif type(node) is dict:
            pending += [(f"{path}.{name}" if path else name, value) for name, value in node.items()]
        elif type(node) is list:
            pending += [(path, value) for value in node]
    return found


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
