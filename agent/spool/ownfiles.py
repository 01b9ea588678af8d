"""The shop's own templates and pictures as files: written whole, with what was there before kept to be taken back, and
in use at once. Who did it is in the log and among the changes of the configuration.
"""

import hashlib
import re
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from agent import atomicfile
from agent.clock import stamp
from agent.config import changes
from agent.errors import CommandRefused
from agent.spool.drafts import Draft, book_with, book_without, fault, shipped
from agent.spool.shelf import MAX_FILES, Shelf, trial
from agent.tickets.engine import MAX_SOURCE
from agent.tickets.template import Book

KEEP = 5
NAME = re.compile(r"_?[a-z0-9][a-z0-9_-]{0,31}")
_BEFORE = "templates-before"
_MODE = 0o640


class Version(msgspec.Struct, frozen=True):
    """A template as it was before: the higher `n`, the newer. `until` is when another took its place, UTC."""

    n: int
    until: str
    lines: int


class OwnFiles:
    """Those in the shelf's folder, which is made with the first one. `used`: by which templates stations print."""

    def __init__(self, shelf: Shelf, data_dir: Path, used: Callable[[], dict[str, list[str]]]) -> None:
        self._shelf = shelf
        self._data_dir = data_dir
        self._used = used
        self._lock = threading.Lock()

    # -- looking -----------------------------------------------------------------------------------------------------

    def names(self) -> list[str]:
        """The templates that are there as files, also those that can't be used."""
        folder = self._shelf.folder
        return sorted(file.stem for file in folder.glob("*.j2")) if folder is not None and folder.is_dir() else []

    def is_name(self, name: str) -> bool:
        """May it be a template's name? What is there already may be called as it is."""
        return NAME.fullmatch(name) is not None or name in self.names()

    def text(self, name: str) -> str | None:
        """What stands in the file, right or wrong; None without one."""
        data = self._bytes(f"{name}.j2")
        return None if data is None else data[: 4 * MAX_SOURCE].decode("utf-8-sig", "replace")

    def draft(self, name: str, text: str) -> Draft:
        """A text for it, named in errors as the file will be."""
        return Draft(name, text, f"{(self._shelf.folder or Path('templates')).name}/{name}.j2")

    def versions(self, name: str) -> list[Version]:
        """What it was before, the newest first."""
        return [_version(file) for file in reversed(self._kept(name))]

    def version(self, name: str, n: int) -> str | None:
        """The text of one of them."""
        found = [file for file in self._kept(name) if _number(file) == n]
        return found[0].read_text("utf-8", "replace") if found else None

    # -- changing ----------------------------------------------------------------------------------------------------

    def save(self, name: str, text: str, was: str, by: str) -> None:
        """Put a template into use. `was` is the digest of what its writer started from.

        Raises:
            CommandRefused: somebody else changed it meanwhile, or it can't be written.
            TemplateError: it is wrong, or another template is with it.
        """
        with self._lock:
            if not self.is_name(name):
                raise CommandRefused("a template's name is a-z, 0-9, - and _", "样式名字只用 a-z、0-9、- 和 _")
            if was != digest(self.text(name)):
                zh = "别人刚改过这个样式：请先刷新看看"
                raise CommandRefused("somebody else has just changed it: reload the page first", zh)
            if digest(text) == was:
                return
            draft = self.draft(name, text)
            book = book_with(self._shelf.book(), draft)
            if problem := fault(book, draft) or self._trouble_with(book):
                raise problem
            self._put(f"{name}.j2", text.encode(), by)

    def remove(self, name: str, by: str) -> None:
        """Back to ours; or it is gone, where we have none of that name. Raises as `save`."""
        with self._lock:
            if name not in self.names():
                raise CommandRefused("it is not there any more: reload the page", "已经没有了：请刷新")
            if f"{name}.j2" not in shipped() and (stations := self._used().get(name)):
                where = ", ".join(stations)
                raise CommandRefused(f"these stations print with it: {where}", f"这些档口正在用它：{where}")
            if problem := self._trouble_with(book_without(self._shelf.book(), f"{name}.j2")):
                raise problem
            self._take_away(f"{name}.j2", by)

    def put_picture(self, name: str, png: bytes, by: str) -> None:
        """A picture, of one bit a dot, as `name.png`. Raises CommandRefused."""
        with self._lock:
            if NAME.fullmatch(name) is None:
                raise CommandRefused("a picture's name is a-z, 0-9, - and _", "图片名字只用 a-z、0-9、- 和 _")
            self._put(f"{name}.png", png, by)

    def remove_picture(self, file: str, by: str) -> None:
        """It is gone. Raises CommandRefused, and TemplateError where a template shows it."""
        with self._lock:
            book = self._shelf.book()
            if file not in book.images or "." not in file:
                raise CommandRefused("it is not there any more: reload the page", "已经没有了：请刷新")
            if problem := self._trouble_with(book_without(book, file)):
                raise problem
            self._take_away(file, by)

    def _trouble_with(self, book: Book) -> Exception | None:
        """Other templates may build on it; what was wrong already does not count."""
        return trial(book) if trial(self._shelf.book()) is None else None

    # -- on the disk -------------------------------------------------------------------------------------------------

    def _put(self, file: str, data: bytes, by: str) -> None:
        folder, before = self._folder(), self._bytes(file)
        if before is None and sum(1 for _ in folder.iterdir()) >= MAX_FILES:
            raise CommandRefused(f"{folder} has {MAX_FILES} files: remove some", "样式文件太多：先删掉一些")
        try:
            self._keep(file, before)
            atomicfile.replace(folder / file, data, mode=_MODE if before is None else None)
        except OSError as exc:
            raise _unwritable(folder, exc) from exc
        self._changed(file, before, data, by)

    def _take_away(self, file: str, by: str) -> None:
        folder, before = self._folder(), self._bytes(file)
        try:
            self._keep(file, before)
            atomicfile.remove(folder / file)
        except OSError as exc:
            raise _unwritable(folder, exc) from exc
        self._changed(file, before, None, by)

    def _changed(self, file: str, before: bytes | None, after: bytes | None, by: str) -> None:
        self._shelf.reload()
        was, now = ({} if data is None else {file: _about(data)} for data in (before, after))
        changes.note(self._data_dir, self._folder() / file, {"templates": was}, {"templates": now}, by=by)

    def _folder(self) -> Path:
        folder = self._shelf.folder
        if folder is None:
            raise CommandRefused("this agent was started without a configuration file", "本机没有配置文件")
        try:
            folder.mkdir(mode=0o750, exist_ok=True)
        except OSError as exc:
            raise _unwritable(folder.parent, exc) from exc
        return folder

    def _bytes(self, file: str) -> bytes | None:
        folder = self._shelf.folder
        if folder is None or "/" in file or not (folder / file).is_file():
            return None
        return (folder / file).read_bytes()

    def _kept(self, name: str) -> list[Path]:
        """The files of what it was before, the oldest first."""
        if "/" in name or not (self._data_dir / _BEFORE).is_dir():
            return []
        prefix = f"{name}.j2."
        found = [file for file in (self._data_dir / _BEFORE).iterdir() if file.name.startswith(prefix)]
        return sorted((file for file in found if file.suffix[1:].isdigit()), key=_number)

    def _keep(self, file: str, before: bytes | None) -> None:
        """Pictures come from elsewhere, and can come again."""
        if before is None or not file.endswith(".j2"):
            return
        (self._data_dir / _BEFORE).mkdir(mode=0o700, exist_ok=True)
        kept = self._kept(file.removesuffix(".j2"))
        n = _number(kept[-1]) + 1 if kept else 1
        atomicfile.replace(self._data_dir / _BEFORE / f"{file}.{n}", before)
        for old in kept[: max(0, len(kept) + 1 - KEEP)]:
            old.unlink(missing_ok=True)


def digest(text: str | None) -> str:
    """By which a text is known again; of none it is empty."""
    return "" if text is None else hashlib.sha256(text.encode()).hexdigest()[:16]


def _about(data: bytes) -> str:
    return f"{len(data)} bytes {hashlib.sha256(data).hexdigest()[:8]}"


def _number(file: Path) -> int:
    return int(file.suffix[1:])


def _version(file: Path) -> Version:
    until = stamp(datetime.fromtimestamp(file.stat().st_mtime, UTC))
    return Version(_number(file), until, file.read_bytes().count(b"\n"))


def _unwritable(folder: Path, exc: OSError) -> CommandRefused:
    if isinstance(exc, PermissionError):
        advice = f"sudo chown shop-agent: {folder}"
        return CommandRefused(f"this user may not write in {folder}: {advice}", f"没有权限写 {folder}：{advice}")
    why = f"{folder}: {exc.strerror}"
    return CommandRefused(f"it can't be written ({why}): is the disk full, or read-only?", f"写不进去：磁盘满了？{why}")
