"""The shop's own templates and pictures: a folder that is looked at while tickets print.

A file that can't be used costs nothing: the last one that could be, else the agent's own, stays in use, and the alarm
`template:NAME` names file and line until it is mended. Called from every printer's thread.
"""

import os
import threading
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import msgspec

from agent import log, templates
from agent.clock import Clock
from agent.tickets.engine import MAX_SOURCE, Source, TemplateError
from agent.tickets.sample import samples
from agent.tickets.template import Book

Alarm = Callable[[str, str], None]
"""Told a template's name and what is wrong with it; an empty text when it is well again."""

LOOK_EACH_S = 1.0
MAX_FILES = 200
MAX_PICTURE = 1 << 20
_KINDS = {".j2", ".png", ".jpg", ".jpeg", ".gif", ".bmp"}
_WIDTHS = (32, 48)

_log = log.get("spool")


class _Found(msgspec.Struct):
    """What is in the folder, and what of it can't be read, by template."""

    sources: dict[str, Source] = {}
    images: dict[str, bytes] = {}
    problems: dict[str, str] = {}


class Shelf:
    """The templates as they are now. Without a folder they are the agent's own."""

    def __init__(self, folder: Path | None, clock: Clock, alarm: Alarm = lambda _name, _problem: None) -> None:
        self._folder = folder
        self._clock = clock
        self._alarm = alarm
        self._shipped = templates.read()
        self._book = Book(self._shipped)
        self._seen: dict[str, tuple[int, int]] | None = None
        self._looked = float("-inf")
        self._raised: dict[str, str] | None = None
        self._lock = threading.Lock()

    def book(self) -> Book:
        """The templates to print with. At most once a second it looks at the folder; only a changed file is read."""
        if self._clock.monotonic() - self._looked >= LOOK_EACH_S and self._lock.acquire(blocking=False):
            try:
                self._look()
            except Exception:  # noqa: BLE001  # a fault in looking must not cost the ticket that waits for it
                _log.exception("spool.templates_failed", folder=str(self._folder))
            finally:
                self._looked = self._clock.monotonic()
                self._lock.release()
        return self._book

    def reload(self) -> list[str]:
        """Read the folder anew, now; the names of the shop's own templates that are in use."""
        with self._lock:
            self._seen = None
            self._look()
            return sorted(name.removesuffix(".j2") for name in self._book.own)

    @property
    def folder(self) -> Path | None:
        """Where the shop's own are, or would be."""
        return self._folder

    def failed(self, error: TemplateError) -> None:
        """A template that could be used at first was at fault with a real ticket: up goes its alarm."""
        with self._lock:
            self._raise({**(self._raised or {}), _name(error.file): str(error)})

    def problems(self) -> dict[str, str]:
        """What is wrong at present, by template."""
        return dict(self._raised or {})

    def _look(self) -> None:
        seen = self._signatures()
        if seen == self._seen:
            return
        self._seen = seen
        found = self._read(sorted(seen))
        unread = [f"{name}.j2" for name in found.problems]
        found.sources |= {name: self._book.own[name] for name in unread if name in self._book.own}
        own = self._usable(found)
        self._book = Book(self._shipped, own, found.images)
        self._raise(found.problems)
        _log.info("spool.templates_read", own=sorted(own), refused=sorted(found.problems))

    def _usable(self, found: _Found) -> dict[str, Source]:
        """Of each file its newest version that works together with the others. Adds to the problems."""
        if not found.sources or trial(Book(self._shipped, found.sources, found.images)) is None:
            return found.sources
        own: dict[str, Source] = {}
        for name in sorted(found.sources, key=lambda name: (not name.startswith("_"), name)):
            new, old = found.sources[name], self._book.own.get(name)
            fault = trial(Book(self._shipped, {**own, name: new}, found.images))
            if fault is None:
                own[name] = new
                continue
            found.problems[name.removesuffix(".j2")] = str(fault)
            if old is not None and trial(Book(self._shipped, {**own, name: old}, found.images)) is None:
                own[name] = old
        return own

    def _signatures(self) -> dict[str, tuple[int, int]]:
        """Each file with its time and size; a folder that is not there is empty."""
        if self._folder is None:
            return {}
        found: dict[str, tuple[int, int]] = {}
        try:
            for entry in os.scandir(self._folder):
                if Path(entry.name).suffix.lower() in _KINDS and entry.is_file() and len(found) < MAX_FILES:
                    about = entry.stat()
                    found[entry.name] = (about.st_mtime_ns, about.st_size)
        except FileNotFoundError:
            return {}
        except OSError as exc:
            if self._seen is None:
                _log.error("spool.templates_unreadable", folder=str(self._folder), reason=str(exc.strerror))
            return self._seen or {}
        return found

    def _read(self, names: list[str]) -> _Found:
        found = _Found()
        for file in [self._folder / name for name in names] if self._folder else []:
            label = f"{file.parent.name}/{file.name}"
            if file.suffix.lower() == ".j2" and (wanted := self._meant(file.name)) != file.name:
                found.problems[file.name] = f"{label}: capital letters: it is not used; name it {wanted}"
                continue
            try:
                with file.open("rb") as opened:
                    data = opened.read(MAX_PICTURE + 1)
                if file.suffix == ".j2":
                    found.sources[file.name] = Source(label, data[: 4 * MAX_SOURCE + 4].decode("utf-8-sig"))
                elif len(data) <= MAX_PICTURE:
                    found.images[file.name] = found.images[file.stem] = data
                else:
                    found.problems[file.name] = f"{label}: it is larger than 1 MiB; make it smaller"
            except OSError as exc:
                found.problems[file.stem] = f"{label}: it can't be read ({exc.strerror}); look at its owner and mode"
            except UnicodeDecodeError as exc:
                line = data[: exc.start].count(b"\n") + 1
                found.problems[file.stem] = f"{label}:{line}: it is not UTF-8 text; save it as UTF-8"
        return found

    def _meant(self, name: str) -> str:
        """A template's name as it must be written: the ending, and the names of the agent's own, in small letters."""
        return name.lower() if name.lower() in self._shipped else f"{name[:-3]}.j2"

    def _raise(self, problems: Mapping[str, str]) -> None:
        """Up with what is new, down with what is mended. At the first look all that is well is said to be."""
        before = self._raised
        if before is None:
            before = {file.removesuffix(".j2"): "" for file in self._book.names}
        self._raised = dict(problems)
        for name in sorted(before.keys() - problems.keys()):
            self._alarm(name, "")
        for name, problem in sorted(problems.items()):
            if before.get(name) != problem:
                _log.error("spool.template_failed", template=name, problem=problem)
                self._alarm(name, problem)


def trial(book: Book, files: Iterable[str] | None = None) -> TemplateError | None:
    """The first fault of these templates, or only of some `files` of them, found by printing sample tickets; None when
    all is well.
    """
    for file in sorted(book.names if files is None else files):
        if not file.startswith("_"):
            try:
                for subject in samples(file.removesuffix(".j2")):
                    for width in _WIDTHS:
                        book.proof(file.removesuffix(".j2"), subject, width)
            except TemplateError as exc:
                return exc
    return None


def _name(file: str) -> str:
    return Path(file).name.removesuffix(".j2")
