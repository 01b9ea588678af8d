"""The configuration, written by a machine: only what changes is touched, comments and all else stay as they were typed.

Whoever writes it names himself, and what he changed is in the log and in `changes.jsonl` beside the journal.
"""

import contextlib
import fcntl
import os
import re
import secrets
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import msgspec

from agent import atomicfile
from agent.config import Config, changes, load, read_file
from agent.errors import ConfigError
from agent.yaml.edit import Edited
from agent.yaml.edit import edit as edit_text

LOCK_WAIT_S = 5.0
NEW_MODE = 0o640
_MOST_LINKS = 40
_BOM = b"\xef\xbb\xbf"
_FRESH = re.compile(r"(.+)-[0-9a-f]{8}(\.\w+)", re.ASCII)
_HEADER = """\
# shop-agent 的配置。全部设置和说明见 shop-agent.example.yaml;检查:shop-agent config check
# The configuration of shop-agent. Every setting is in shop-agent.example.yaml; check it: shop-agent config check
"""


class Wanted(msgspec.Struct, frozen=True):
    """How the settings shall change, and what goes into files of its own beside them, by their names."""

    change: Callable[[Any], None]
    beside: dict[str, bytes] = {}


def edit(
    path: Path,
    change: Callable[[Any], None],
    *,
    by: str,
    beside: Mapping[str, bytes] = MappingProxyType({}),
    look: Callable[[Config, list[str]], None] = lambda _config, _differ: None,
) -> list[str]:
    """Change the settings in a file; one that is not there is made. Returns what differs: `printers[bar].width`.

    `change` is given the settings as plain dicts and lists to work on. Their scalars are text, as typed, or None; it
    may put numbers and truths in, and None takes a setting away. `by` says who wants it, for the log. What is to be
    `beside` it, readable for its owner only, is written once the result is known to be right, and before it; by `fresh`
    names, so that the old secret and the old settings stay together until the new ones are on disk. `look` is shown
    the result before anything is written, with what differs, and may refuse it.

    Raises:
        ConfigError: the result would be wrong, with every fault; or the file can't be written, or was changed by
            somebody else meanwhile. The file is as it was.
    """
    path = _followed(path)
    with _alone(path) as before:
        edited = _edited(path, before, change)
        data = (_BOM if before is not None and before.startswith(_BOM) else b"") + edited.text.encode()
        config = _checked(path, before, data)
        look(config, [setting.field for setting in changes.differences(edited.was, edited.now)])
        _put(path, before, data, beside)
        if data == before:
            return []
        return changes.note(config.data_dir, path, edited.was, edited.now, by=by)


def install(path: Path, data: bytes, *, by: str, beside: Mapping[str, bytes] = MappingProxyType({})) -> list[str]:
    """Put a whole file in the place of the configuration, as `edit` does; it was written elsewhere, by a person.

    Raises:
        ConfigError: as `edit`.
    """
    path = _followed(path)
    with _alone(path) as before:
        config = load(path, closely=True, data=data)
        new, old = _data_of(path, data), {}
        if before is not None:
            with contextlib.suppress(ConfigError):  # what is replaced may be broken
                old = _data_of(path, before)
        _put(path, before, data, beside)
        if data == before:
            return []
        return changes.note(config.data_dir, path, old, new, by=by)


def secret(text: str) -> bytes:
    """A password, as its file holds it. Raises ConfigError."""
    if not text.isprintable():
        raise ConfigError("the password holds a control character or a line end; type it again")
    return f"{text}\n".encode()


def fresh(name: str) -> str:
    """A name for a new secret that no other has: `broker-5e1f09ab.pass` for `broker.pass`."""
    stem, dot, suffix = name.rpartition(".")
    return f"{stem}-{secrets.token_hex(4)}{dot}{suffix}"


def write_file(path: Path, data: bytes) -> None:
    """Put a file beside the configuration that only its owner can read. Raises ConfigError."""
    with _told(path):
        atomicfile.replace(path, data, mode=0o600)


def _followed(path: Path) -> Path:
    """Where the file is, behind its links. Root goes only where root's own links lead, and only into folders that are
    root's: the service, whose folder this may be, could lead him anywhere.

    Raises:
        ConfigError: root is led elsewhere.
    """
    for _ in range(_MOST_LINKS):
        if not path.is_symlink():
            break
        target = path.parent / path.readlink()
        with _told(path):
            owners = {path.lstat().st_uid, target.parent.stat().st_uid}
        if os.geteuid() == 0 and owners != {0}:
            raise ConfigError(f"{path}: root follows no link here, it leads to {target}; put a file in its place")
        path = target
    return path.resolve()


def _edited(path: Path, before: bytes | None, change: Callable[[Any], None]) -> Edited:
    try:
        return edit_text(_HEADER if before is None else before.decode("utf-8-sig"), change, str(path))
    except UnicodeDecodeError:
        load(path, data=before)  # names the place
        raise


def _data_of(path: Path, data: bytes) -> Any:
    return edit_text(data.decode("utf-8-sig"), lambda _: None, str(path)).now


def _checked(path: Path, before: bytes | None, data: bytes) -> Config:
    """The configuration that it would be. What was doubtful already may stay so, nothing else. Raises ConfigError."""
    try:
        return load(path, closely=True, data=data)
    except ConfigError:
        config = load(path, data=data)
        if before is None or _is_right(path, before):
            raise
        return config


def _is_right(path: Path, data: bytes) -> bool:
    try:
        load(path, closely=True, data=data)
    except ConfigError:
        return False
    return True


@contextlib.contextmanager
def _alone(path: Path) -> Iterator[bytes | None]:
    """The only one that writes the file; gives its bytes, None when it is not there. The file itself is locked, and
    may have been replaced while we waited for that.
    """
    until = time.monotonic() + LOCK_WAIT_S
    with contextlib.ExitStack() as stack:
        while path.exists():
            descriptor = _opened(path)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if path.exists() and os.path.samestat(os.fstat(descriptor), path.stat()):
                    stack.callback(os.close, descriptor)
                    break
            except BlockingIOError:
                time.sleep(0.02)
            os.close(descriptor)
            if time.monotonic() > until:
                raise ConfigError(f"{path}: another program is writing it; try again in a moment")
        yield read_file(path) if path.exists() else None


def _opened(path: Path) -> int:
    read_file(path)  # tells in words why it can't be read
    with _told(path):
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)


def _put(path: Path, before: bytes | None, data: bytes, beside: Mapping[str, bytes]) -> None:
    """What belongs beside it, and then the file, which names that; what it names no longer goes last."""
    for name, content in beside.items():
        write_file(path.parent / name, content)
    if data == before:
        return
    try:
        _write(path, before, data)
    except ConfigError:
        _forget_unnamed(path, list(beside))
        raise
    kinds = {found.groups() for name in beside if (found := _FRESH.fullmatch(name))}
    there = [each.name for each in path.parent.iterdir()] if kinds else []
    _forget_unnamed(path, [name for name in there if (found := _FRESH.fullmatch(name)) and found.groups() in kinds])


def _forget_unnamed(path: Path, names: Iterable[str]) -> None:
    """Take away secrets with names of our making that no configuration in this folder names now."""
    with contextlib.suppress(OSError, ConfigError):  # one that is left does no harm, and goes with the next change
        text = b"\n".join(read_file(each) for each in {path, *path.parent.glob("*.y*ml")} if each.exists())
        for name in names:
            if _FRESH.fullmatch(name) and name.encode() not in text:
                atomicfile.remove(path.parent / name)


def _write(path: Path, before: bytes | None, data: bytes) -> None:
    def unchanged() -> None:
        if (read_file(path) if path.exists() else None) != before:
            raise ConfigError(f"{path}: somebody changed it at the same time; look at it, and try again")

    with _told(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        if before is None:
            atomicfile.create(path, data, mode=NEW_MODE)
        else:
            atomicfile.replace(path, data, before=unchanged)


@contextlib.contextmanager
def _told(path: Path) -> Iterator[None]:
    """Errors of the disk, as what to do about them."""
    try:
        yield
    except FileExistsError as exc:
        raise ConfigError(f"{path}: somebody made it at the same time; look at it, and try again") from exc
    except PermissionError as exc:
        folder = path.parent
        raise ConfigError(f"{path}: this user may not write in {folder}; sudo chown shop-agent: {folder}") from exc
    except OSError as exc:
        text = f"{path}: it can't be written ({exc.strerror}); see that its disk has room and is not read-only"
        raise ConfigError(text) from exc
