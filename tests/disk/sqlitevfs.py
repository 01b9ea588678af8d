"""A layer between SQLite and its files, for the very library that Python's sqlite3 uses, by ctypes.

SQLite asks a table of functions (sqlite3_vfs, sqlite3_io_methods) for all it does to files. Ours is a copy of its own
with the functions that change something replaced: they ask a `Layer` first. Reading, locking and shared memory stay
as they are.
"""

import ctypes
import sqlite3
from collections.abc import Callable
from ctypes import CFUNCTYPE, POINTER, Structure, byref, c_char_p, c_int, c_int64, c_void_p, cast
from pathlib import Path
from typing import Any, Protocol

READONLY, READWRITE, CREATE = 0x1, 0x2, 0x4
JOURNALS = 0x800 | 0x4000 | 0x80000
"""Of such a new file SQLite syncs the folder with the file's first sync."""

Call = Callable[[], int]
"""Do the real thing; returns SQLite's result code."""


class Layer(Protocol):
    """Whoever stands in between. Each returns SQLite's result code, from `real` or its own."""

    def concerns(self, path: Path) -> bool:
        """Is it a file of his?"""

    def opening(self, path: Path, flags: int, real: Callable[[int], int]) -> tuple[int, Any]:
        """A file is opened, or made; returns also his word for it in what follows, None to hear no more of it."""

    def writing(self, word: Any, offset: int, data: bytes, real: Call) -> int:
        """Bytes are written."""

    def truncating(self, word: Any, size: int, real: Call) -> int:
        """A file is cut or grown to a size."""

    def syncing(self, word: Any, real: Call) -> int:
        """What was written shall be on the disk."""

    def locking(self, word: Any, real: Call) -> int:
        """A lock is wanted."""

    def deleting(self, path: Path, sync_folder: bool, real: Call) -> int:
        """A file is deleted."""


_OPEN = CFUNCTYPE(c_int, c_void_p, c_void_p, c_void_p, c_int, c_void_p)
"""The name as an address: SQLite goes on reading it there as long as the file is open."""
_DELETE = CFUNCTYPE(c_int, c_void_p, c_void_p, c_int)
_CLOSE = CFUNCTYPE(c_int, c_void_p)
_WRITE = CFUNCTYPE(c_int, c_void_p, c_void_p, c_int, c_int64)
_TRUNCATE = CFUNCTYPE(c_int, c_void_p, c_int64)
_SYNC = _LOCK = CFUNCTYPE(c_int, c_void_p, c_int)
_IOERR = 10


class _Vfs(Structure):
    _fields_ = (
        *((name, c_int) for name in ("iVersion", "szOsFile", "mxPathname")),
        *((name, c_void_p) for name in ("pNext", "zName", "pAppData", "xOpen", "xDelete", "xAccess", "xFullPathname")),
        *((f"rest{number}", c_void_p) for number in range(12)),
    )


class _Methods(Structure):
    _fields_ = (
        ("iVersion", c_int),
        *((name, c_void_p) for name in ("xClose", "xRead", "xWrite", "xTruncate", "xSync", "xFileSize", "xLock")),
        *((f"rest{number}", c_void_p) for number in range(11)),
    )


class _File(Structure):
    _fields_ = (("methods", c_void_p),)


def _library() -> ctypes.CDLL | None:
    """The library that Python's sqlite3 runs on, None where it can't be reached from outside."""
    import _sqlite3  # what is mapped by now is what sqlite3 uses

    mapped = {
        line.split(maxsplit=5)[5].strip() for line in Path("/proc/self/maps").read_text().splitlines() if "/" in line
    }
    for name in (*sorted(path for path in mapped if "libsqlite3.so" in path), _sqlite3.__file__):
        library = ctypes.CDLL(name)
        if hasattr(library, "sqlite3_vfs_find"):
            library.sqlite3_libversion.restype = c_char_p
            library.sqlite3_vfs_find.restype = POINTER(_Vfs)
            if library.sqlite3_libversion().decode() == sqlite3.sqlite_version:
                return library
    return None


class _Shim:
    """Installed once and for good: SQLite may keep its addresses as long as any file is open."""

    def __init__(self, library: ctypes.CDLL) -> None:
        self.layers: list[Layer] = []
        self._errors: list[Exception] = []
        self._files: dict[int, tuple[Layer, Any, _Methods]] = {}
        self._tables: dict[int, _Methods] = {}
        self._kept: list[Any] = []
        self._under = library.sqlite3_vfs_find(None)
        self._name = ctypes.create_string_buffer(b"shop-agent-disk")
        self._vfs = _Vfs.from_buffer_copy(self._under.contents)
        self._vfs.pNext, self._vfs.zName = None, ctypes.addressof(self._name)
        self._vfs.xOpen = self._address(_OPEN, self._open)
        self._vfs.xDelete = self._address(_DELETE, self._delete)
        self._ours = {
            "xClose": self._address(_CLOSE, self._close),
            "xWrite": self._address(_WRITE, self._write),
            "xTruncate": self._address(_TRUNCATE, self._truncate),
            "xSync": self._address(_SYNC, self._sync),
            "xLock": self._address(_LOCK, self._lock),
        }
        if library.sqlite3_vfs_register(byref(self._vfs), 1):
            raise RuntimeError("SQLite would not take another VFS")

    def reraise(self) -> None:
        """What a layer raised, which SQLite only saw as an error."""
        if self._errors:
            raise self._errors.pop(0)

    def _address(self, prototype: Any, function: Callable[..., int]) -> int | None:
        """A C function that calls ours; SQLite gets an error where ours raises."""

        def guarded(*given: Any) -> int:
            try:
                return function(*given)
            except Exception as exc:  # noqa: BLE001  # C would go on with a zero, which means that all is well
                self._errors.append(exc)
                return _IOERR

        callback = prototype(guarded)
        self._kept.append(callback)
        return cast(callback, c_void_p).value

    def _layer(self, path: Path) -> Layer | None:
        return next((layer for layer in self.layers if layer.concerns(path)), None)

    def _open(self, _vfs: int, name: int | None, file: int, flags: int, out: int | None) -> int:
        opened = _File.from_address(file)
        opened.methods = None  # SQLite closes what has some

        def real(flags: int) -> int:
            return int(
                _OPEN(self._under.contents.xOpen)(ctypes.addressof(self._under.contents), name, file, flags, out)
            )

        path = _path(name)
        layer = self._layer(path)
        if layer is None:
            return real(flags)
        code, word = layer.opening(path, flags, real)
        if code == 0 and word is not None:
            methods = _Methods.from_address(opened.methods)
            self._files[file] = (layer, word, methods)
            opened.methods = ctypes.addressof(self._table(opened.methods))
        return code

    def _table(self, under: int) -> _Methods:
        """SQLite's own functions for a file at this address, with ours among them."""
        if under not in self._tables:
            table = self._tables[under] = _Methods.from_buffer_copy(_Methods.from_address(under))
            for name, address in self._ours.items():
                setattr(table, name, address)
        return self._tables[under]

    def _delete(self, _vfs: int, name: int, sync_folder: int) -> int:
        def real() -> int:
            return int(_DELETE(self._under.contents.xDelete)(ctypes.addressof(self._under.contents), name, sync_folder))

        path = _path(name)
        layer = self._layer(path)
        return real() if layer is None else layer.deleting(path, bool(sync_folder), real)

    def _close(self, file: int) -> int:
        _, _, methods = self._files.pop(file)
        return int(_CLOSE(methods.xClose)(file))

    def _write(self, file: int, data: int, length: int, offset: int) -> int:
        layer, word, methods = self._files[file]
        content = ctypes.string_at(data, length)
        return layer.writing(word, offset, content, lambda: int(_WRITE(methods.xWrite)(file, data, length, offset)))

    def _truncate(self, file: int, size: int) -> int:
        layer, word, methods = self._files[file]
        return layer.truncating(word, size, lambda: int(_TRUNCATE(methods.xTruncate)(file, size)))

    def _sync(self, file: int, flags: int) -> int:
        layer, word, methods = self._files[file]
        return layer.syncing(word, lambda: int(_SYNC(methods.xSync)(file, flags)))

    def _lock(self, file: int, level: int) -> int:
        layer, word, methods = self._files[file]
        return layer.locking(word, lambda: int(_LOCK(methods.xLock)(file, level)))


def _path(name: int | None) -> Path:
    return Path(ctypes.string_at(name).decode() if name else "")


_shim: _Shim | None = None


def reachable() -> bool:
    """Can a layer be put under Python's sqlite3 here? Not where SQLite is linked into it."""
    return _shim is not None or _library() is not None


def shim() -> _Shim:
    """The one layer of this process, under every connection that is opened from now on."""
    global _shim
    if _shim is None:
        library = _library()
        if library is None:
            raise RuntimeError("SQLite is linked into Python here: nothing can be put under it")
        _shim = _Shim(library)
    return _shim
