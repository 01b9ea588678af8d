"""The installed version as a .deb again: the way back needs no network, and no repository that still has it.

A .deb is an ar archive of three members: deb(5). Its paths come from dpkg's own list, its scripts from dpkg's folder.
"""

import io
import os
import re
import tarfile
import time
from collections.abc import Iterable
from pathlib import Path

from agent.update.back import keep

_MAGIC = b"!<arch>\n"
_NOT_CONTROL = ("list",)
_LEFT_OUT = ("Status:", "Conffiles:", "Config-Version:")
"""What dpkg says of an installed package and no package says of itself."""
_CONFFILE = re.compile(r"^ (/\S+) [0-9a-f]{32}", re.M)
"""Left out too: dpkg then leaves it as it is, and goes on knowing what it was like when it came."""
_FIELD = re.compile(r"^\S.*\n(?:[ \t].*\n)*", re.M)
"""With the lines that it goes on over."""
_LIGHT = 1
"""gzip's least work: a Raspberry Pi does 30 MB of it in three seconds."""


def repack(status: str, paths: Iterable[str], scripts: Iterable[Path], vital: str, to: Path) -> None:
    """Write the package that `dpkg-query` describes: its `--status`, its `--listfiles`, its `--control-path`. What is
    missing is left out, as systems without documentation do; but nothing below the folder `vital`.

    Raises:
        OSError: a file can't be read, or one of the vital ones is not there; `to` is as it was.
    """
    growing = to.with_name(f".{to.name}.data")
    left_out = set(_CONFFILE.findall(status))
    with tarfile.open(growing, "w:gz", compresslevel=_LIGHT, format=tarfile.GNU_FORMAT) as data:
        for path in paths:
            if path.startswith("/") and path not in left_out and (os.path.lexists(path) or path.startswith(vital)):
                data.add(path, arcname=f".{path.removesuffix('.')}", recursive=False, filter=_roots)
    whole = to.with_name(f".{to.name}.new")
    with whole.open("wb") as file, growing.open("rb") as stored:
        file.write(_MAGIC)
        for name, member in (("debian-binary", b"2.0\n"), ("control.tar.gz", _control(status, scripts))):
            _member(file, name, len(member))
            file.write(member + b"\n" * (len(member) % 2))
        length = growing.stat().st_size
        _member(file, "data.tar.gz", length)
        while chunk := stored.read(1 << 20):
            file.write(chunk)
        file.write(b"\n" * (length % 2))
    growing.unlink()
    keep(whole, to)


def _control(status: str, scripts: Iterable[Path]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz", compresslevel=_LIGHT, format=tarfile.GNU_FORMAT) as control:
        text = "".join(field for field in _FIELD.findall(status) if not field.startswith(_LEFT_OUT))
        entry = tarfile.TarInfo("./control")
        entry.size, entry.mode, entry.mtime = len(text.encode()), 0o644, int(time.time())
        control.addfile(entry, io.BytesIO(text.encode()))
        for path in scripts:
            if (name := path.name.rpartition(".")[2]) not in _NOT_CONTROL:
                control.add(path, arcname=f"./{name}", recursive=False, filter=_roots)
    return buffer.getvalue()


def _roots(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = "root"
    return entry


def _member(file: io.BufferedWriter, name: str, size: int) -> None:
    file.write(f"{name:<16}{int(time.time()):<12}{0:<6}{0:<6}{'100644':<8}{size:<10}`\n".encode())
