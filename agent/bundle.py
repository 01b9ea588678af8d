"""The support bundle: what somebody far away must know to find a fault, in one ZIP file in the data directory.

No secret is in it and no order: settings by name, and then whatever the secrets' files hold is blacked out wherever it
stands. A part that can't be made says why, and costs none of the others. It never leaves the box by itself.
"""

import importlib.metadata
import os
import platform
import re
import shutil
import tempfile
import zipfile
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec

from agent import __version__
from agent.clock import Clock, is_synchronised, stamp
from agent.config import PASSWORD_VARIABLE, Config
from agent.journal.file import Tx
from agent.journal.statistics import statistics
from agent.log import BLACK, without_user

KEEP = 5
MOST_BYTES = 256 * 1024
"""Of each part, before it is packed: a bundle has at most six of them."""
_SECRET_KEY = re.compile(r"password|passwd|secret|token|ukey|api_?key|credential|webhook", re.IGNORECASE)
_QUERY = re.compile(r"(https?://[^\s?\"]+)\?[^\s\"]+")
_PUBLIC_FILES = ("ca_file", "cert_file", "file")
_SHORTEST_SECRET = 6
_MOST_SECRET = 64 * 1024
Parts = Mapping[str, Callable[[], Any]]
"""By file name what makes each part: text, or whatever JSON can say."""


def make_bundle(config: Config, clock: Clock, read: Callable[[], Tx], more: Parts) -> Path:
    """Write it and forget the oldest; returns its path. `read` opens the journal, `more` are parts of the caller's.

    Raises:
        OSError: it can't be written there.
    """
    folder = config.data_dir / "bundles"
    folder.mkdir(mode=0o700, exist_ok=True)
    name = f"{config.shop}-{config.agent}-{clock.utc():%Y%m%d-%H%M%S}"
    path = next(p for n in range(1000) if not (p := folder / f"{name}{f'-{n}' if n else ''}.zip").exists())
    parts: dict[str, Callable[[], Any]] = {
        "about.json": lambda: _about(config, clock),
        "config.json": lambda: redacted(config),
        "journal.json": lambda: _journal(config.data_dir, read),
        **more,
    }
    secrets = secrets_of(config)
    descriptor, unfinished = tempfile.mkstemp(prefix=f"{path.stem}.", suffix=".part", dir=folder)
    try:
        with os.fdopen(descriptor, "wb") as file, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            for part, make in parts.items():
                archive.writestr(part, _blacked_out(_told(make), secrets)[-MOST_BYTES:])
        Path(unfinished).replace(path)
    finally:
        Path(unfinished).unlink(missing_ok=True)
    for old in sorted(folder.glob("*.zip"), key=lambda file: file.stat().st_mtime_ns)[:-KEEP]:
        old.unlink(missing_ok=True)
    return path


def redacted(value: Any, key: str = "") -> Any:
    """Settings as JSON can say them; one whose name speaks of a secret is black, and so is what a URL hides."""
    if isinstance(value, msgspec.Struct):
        return redacted(msgspec.structs.asdict(value))
    if isinstance(value, dict):
        return {str(name): redacted(member, str(name)) for name, member in value.items()}
    if isinstance(value, list | tuple):
        return [redacted(member, key) for member in value]
    if value is None or isinstance(value, bool | int | float):
        return value
    if _SECRET_KEY.search(key) and not key.endswith("_file"):
        return BLACK if value else ""
    return _QUERY.sub(rf"\1?{BLACK}", without_user(str(value)))


def secrets_of(config: Config) -> list[str]:
    """What must stand nowhere: the lines of the secrets' files, and the password from wherever it comes."""
    found = {os.environ.get(PASSWORD_VARIABLE, "")}
    for path in [*_files(config), *_credentials()]:
        try:
            with path.open("rb") as file:
                found.update(file.read(_MOST_SECRET).decode("utf-8", "ignore").splitlines())
        except OSError:
            continue  # then nothing of it can have come in here
    return sorted({line.strip() for line in found if len(line.strip()) >= _SHORTEST_SECRET}, key=len, reverse=True)


def _files(value: Any, key: str = "") -> list[Path]:
    if isinstance(value, msgspec.Struct):
        return [path for name, member in msgspec.structs.asdict(value).items() for path in _files(member, name)]
    if isinstance(value, list):
        return [path for member in value for path in _files(member, key)]
    if isinstance(value, dict):
        return [path for name, member in value.items() for path in _files(member, str(name))]
    return [value] if isinstance(value, Path) and key.endswith("_file") and key not in _PUBLIC_FILES else []


def _credentials() -> list[Path]:
    folder = os.environ.get("CREDENTIALS_DIRECTORY")
    return [file for file in Path(folder).iterdir() if file.is_file()] if folder and Path(folder).is_dir() else []


def _told(make: Callable[[], Any]) -> str:
    try:
        said = make()
        return said if isinstance(said, str) else msgspec.json.format(msgspec.json.encode(said), indent=1).decode()
    except Exception as exc:  # noqa: BLE001  a bundle is wanted most when something is broken
        return f"this part could not be made: {type(exc).__name__}: {exc}"


def _blacked_out(text: str, secrets: list[str]) -> bytes:
    for secret in secrets:
        text = text.replace(secret, BLACK)
    return text.encode("utf-8", "replace")


def _about(config: Config, clock: Clock) -> dict[str, Any]:
    disk = shutil.disk_usage(config.data_dir)
    return {
        "version": __version__,
        "python": platform.python_version(),
        "machine": platform.platform(),
        "made_at": stamp(clock.utc()),
        "clock_synchronised": is_synchronised(),
        "disk": {"total": disk.total, "free": disk.free},
        "memory": _memory(),
        "packages": {each.name: each.version for each in importlib.metadata.distributions()},
    }


def _memory() -> dict[str, str]:
    status = Path("/proc/self/status").read_text("ascii", "replace").splitlines()
    return dict(line.split(":\t", 1) for line in status if line.startswith(("VmRSS", "VmHWM", "Threads")))


def _journal(data_dir: Path, read: Callable[[], Tx]) -> dict[str, Any]:
    sizes = {file.name: file.stat().st_size for file in sorted(data_dir.glob("journal.db*"))}
    with closing(read()) as reader:
        return {"files": sizes, "aside": sorted(p.name for p in data_dir.glob("broken-*")), **statistics(reader)}
