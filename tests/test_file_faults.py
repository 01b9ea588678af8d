"""Every operation on the agent's own files fails once: what is there afterwards is the old or the new, and whoever
wanted it is told in words.
"""

import errno
import io
import itertools
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import msgspec
import pytest

from agent import atomicfile
from agent.clock import SystemClock
from agent.config import load
from agent.config.write import edit, secret
from agent.errors import CommandRefused, ConfigError
from agent.spool.ownfiles import OwnFiles
from agent.spool.shelf import Shelf

CALLS = ("open", "fsync", "fchmod", "replace", "link", "unlink", "mkdir")
OLD, NEW = b"old\n" * 3000, b"new\n" * 5000


class Failing:
    """The operating system, of which the `number`-th call fails."""

    def __init__(self, number: int, error: int) -> None:
        self._left, self._error = number, error
        self.failed = ""

    def call(self, name: str, real: Callable[..., Any], *given: Any, **more: Any) -> Any:
        """Do it, or fail."""
        self._left -= 1
        if self._left == 0:
            self.failed = name
            raise OSError(self._error, os.strerror(self._error))
        return real(*given, **more)

    def fdopen(self, descriptor: int, mode: str) -> io.BufferedWriter:
        """A file whose every write is a call."""
        system = self

        class File(io.FileIO):
            def write(self, data: Any) -> int:
                return int(system.call("write", super().write, data))

        return io.BufferedWriter(File(descriptor, mode), 4096)


@contextmanager
def failing(number: int, error: int) -> Iterator[Failing]:
    """Within, the `number`-th call fails."""
    system = Failing(number, error)
    with pytest.MonkeyPatch.context() as patch:
        for name in CALLS:
            real = getattr(os, name)
            patch.setattr(os, name, lambda *a, name=name, real=real, **k: system.call(name, real, *a, **k))
        patch.setattr(os, "fdopen", system.fdopen)
        yield system


def content(path: Path) -> bytes | None:
    """A file's, None without one."""
    return path.read_bytes() if path.exists() else None


class Case(msgspec.Struct):
    """Something that is done to files below a folder, and what may be read there before and afterwards."""

    prepare: Callable[[Path], object]
    act: Callable[[Path], object]
    look: Callable[[Path], object]
    old: object
    new: object


def _config(home: Path) -> None:
    (home / "data").mkdir()
    home.joinpath("pass").write_text("old\n")
    home.joinpath("f").write_text(
        "shop: s1\ndata_dir: data\nlanguage: zh\nbroker: {url: 'mqtt://b', password_file: pass}\n"
    )


def _edit(home: Path) -> None:
    edit(home / "f", lambda tree: tree.update(language="en"), by="test", beside={"pass": secret("new")})


def _read(home: Path) -> str:
    return load(home / "f").language


def _files(home: Path) -> OwnFiles:
    return OwnFiles(Shelf(home / "templates", SystemClock(), lambda *_: None), home, dict)


def _template(home: Path) -> None:
    (home / "templates").mkdir()
    (home / "templates" / "label.j2").write_text("<C>old</C>")


def _save(home: Path) -> None:
    _files(home)._put("label.j2", b"<C>new</C>", "test")  # save() also prints every template, to see that it is right


CASES = {
    "made": Case(
        lambda _: None, lambda home: atomicfile.create(home / "f", NEW), lambda home: content(home / "f"), None, NEW
    ),
    "replaced": Case(
        lambda home: (home / "f").write_bytes(OLD),
        lambda home: atomicfile.replace(home / "f", NEW),
        lambda home: content(home / "f"),
        OLD,
        NEW,
    ),
    "removed": Case(
        lambda home: (home / "f").write_bytes(OLD),
        lambda home: atomicfile.remove(home / "f"),
        lambda home: content(home / "f"),
        OLD,
        None,
    ),
    "configuration": Case(_config, _edit, _read, "zh", "en"),
    "template": Case(_template, _save, lambda home: _files(home).text("label"), "<C>old</C>", "<C>new</C>"),
}


@pytest.mark.parametrize("error", (errno.ENOSPC, errno.EIO, errno.EROFS), ids=errno.errorcode.get)
@pytest.mark.parametrize("name", CASES)
def test_whatever_call_fails_the_file_is_old_or_new(tmp_path: Path, name: str, error: int) -> None:
    """Each call in turn, until there is none left; what was done without a word of complaint is new, and no litter."""
    case = CASES[name]
    for number in itertools.count(1):
        home = tmp_path / str(number)
        home.mkdir()
        case.prepare(home)
        done = False
        with failing(number, error) as system, suppress(OSError, ConfigError, CommandRefused):
            case.act(home)
            done = True
        assert case.look(home) in ((case.new,) if done else (case.old, case.new)), system.failed
        if system.failed != "unlink":
            assert not list(home.rglob(".*.new")), f"litter after {system.failed}"
        if not system.failed:
            break
    assert done
    assert number > 2
