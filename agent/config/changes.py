"""Who changed which settings, and when: one line in the log, and one in `changes.jsonl`, where it can be read later."""

import contextlib
import os
from pathlib import Path
from typing import Any

import msgspec

from agent import atomicfile, log
from agent.clock import SystemClock, stamp

FILE = "changes.jsonl"
MAX_BYTES = 256 * 1024
MAX_VALUE = 200
_log = log.get("config")


class Setting(msgspec.Struct, frozen=True, kw_only=True):
    """`field` as `printers[bar].width`; values as YAML, empty where there is none."""

    field: str
    was: str = ""
    now: str = ""


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One writing of the file. `at` is UTC; `by` is who wanted it, such as `console: 小李`."""

    at: str
    by: str
    file: str
    settings: list[Setting]


def note(data_dir: Path, file: Path, was: Any, now: Any, *, by: str) -> list[str]:
    """Write down what differs; returns the names of it. That it can't be written down is said, and is no error."""
    settings = differences(was, now)
    fields = [setting.field for setting in settings]
    _log.info("config.changed", by=by, file=str(file), fields=", ".join(fields))
    if not settings or not data_dir.is_dir():
        return fields
    change = Change(at=stamp(SystemClock().utc()), by=by, file=str(file), settings=settings)
    try:
        append(data_dir / FILE, msgspec.json.encode(change) + b"\n")
    except OSError as exc:
        _log.warning("config.change_not_noted", reason=exc.strerror, file=str(data_dir / FILE))
    return fields


def changes(data_dir: Path, most: int = 100) -> list[Change]:
    """The last changes, the newest first. Half a line, of a power cut, is left out."""
    try:
        lines = (data_dir / FILE).read_bytes().splitlines()
    except OSError:
        return []
    found = []
    for line in reversed(lines):
        with contextlib.suppress(msgspec.MsgspecError):
            found.append(msgspec.json.decode(line, type=Change))
        if len(found) == most:
            break
    return found


def differences(was: Any, now: Any, field: str = "") -> list[Setting]:
    """What differs between two trees of settings, as deep as both have the same shape."""
    if was == now:
        return []
    if isinstance(was, list) and isinstance(now, list) and all(isinstance(item, dict) for item in (*was, *now)):
        was, now = _by_name(was), _by_name(now)
    elif not isinstance(was, dict) or not isinstance(now, dict):
        return [Setting(field=field, was=_shown(field, was), now=_shown(field, now))]
    found = []
    for name in (*was, *(name for name in now if name not in was)):
        inner = f"{field}{name}" if name.startswith("[") else f"{field}.{name}".lstrip(".")
        found += differences(was.get(name), now.get(name), inner)
    return found or [Setting(field=field, was="", now="in another order")]


def _by_name(items: list[Any]) -> dict[str, Any]:
    from agent.yaml.edit import identity  # who only notes what people do does not pay for it

    return {f"[{identity(item).partition('=')[2] or at}]": item for at, item in enumerate(items)}


def _shown(field: str, value: Any) -> str:
    """Shortened, and black where it is a secret."""
    from agent.yaml.text import as_flow

    text = "" if value is None else as_flow(value)
    return log.plain(field.rpartition(".")[2], text if len(text) <= MAX_VALUE else f"{text[:MAX_VALUE]}…")


def append(path: Path, line: bytes) -> None:
    """Add a line to a file that is halved when it grows too large. Raises OSError."""
    with os.fdopen(atomicfile.open_own(path), "a+b") as file:
        if file.tell() > MAX_BYTES:
            file.seek(0)
            lines = file.read().splitlines(keepends=True)
            atomicfile.replace(path, b"".join([*lines[len(lines) // 2 :], line]))
            return
        file.write(line)
        file.flush()
        os.fsync(file.fileno())
