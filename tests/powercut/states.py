"""What a power cut may leave on a disk of which every write and flush is known. Pure, but for reading the log."""

import random
import struct
from collections.abc import Iterator
from pathlib import Path

import msgspec

SECTOR = 512
_ZEROS = bytes(SECTOR)
_FLUSH, _FUA, _DISCARD = 1, 2, 4


class Entry(msgspec.Struct, frozen=True):
    """One request: `data` from a byte offset on, or a flush, or both."""

    offset: int
    data: memoryview
    flush: bool
    forced: bool
    """On the disk when it is done, whatever is flushed."""


def read_log(path: Path, count: int) -> list[Entry]:
    """The first `count` entries of a log of qemu's blklogwrites."""
    entries: list[Entry] = []
    with path.open("rb") as file:
        at = SECTOR  # behind the log's own head
        for _ in range(count):
            file.seek(at)
            sector, sectors, flags, _ = struct.unpack_from("<4Q", file.read(32))
            at += SECTOR
            length = 0 if flags & _DISCARD else sectors * SECTOR
            file.seek(at)
            data = memoryview(file.read(length))
            at += length
            entries.append(Entry(sector * SECTOR, data, bool(flags & _FLUSH), bool(flags & _FUA)))
    return entries


Sectors = dict[int, bytes | memoryview]
"""What a disk holds, by sector; zeros are left out."""


def sectors_of(image: Path) -> Sectors:
    """What an image holds."""
    data = memoryview(image.read_bytes())
    parts = ((at, data[at * SECTOR : (at + 1) * SECTOR]) for at in range(len(data) // SECTOR))
    return {at: part for at, part in parts if part != _ZEROS}


def write_image(image: Path, sectors: Sectors, size: int) -> None:
    """Make an image that holds this and nothing else."""
    with image.open("r+b" if image.exists() else "w+b", buffering=1 << 20) as file:
        file.truncate(0)
        file.truncate(size)
        for at in sorted(sectors):
            if file.tell() != at * SECTOR:
                file.seek(at * SECTOR)
            file.write(sectors[at])


class State(msgspec.Struct, frozen=True):
    """The power is cut when the log has `position` entries; `sectors` is the disk afterwards."""

    position: int
    sectors: Sectors


def states(before: Sectors, entries: list[Entry], cuts: list[int], chance: random.Random) -> Iterator[State]:
    """A legal state for each of the cuts, the earliest first: all up to the last flush, and of what came later any
    sectors.
    """
    durable, done = dict(before), 0
    for cut in sorted(cuts):
        flushed = max((at for at in range(done, cut) if entries[at].flush), default=done)
        for entry in entries[done:flushed]:
            durable.update(_parts(entry))
        done = flushed
        left = dict(durable)
        odds = chance.choice((0.0, 0.1, 0.5, 0.9, 1.0))
        for entry in entries[done:cut]:
            whole = entry.forced or chance.random() < odds
            torn = not entry.forced and chance.random() < 0.3
            left.update(part for part in _parts(entry) if (chance.random() < 0.5 if torn else whole))
        yield State(cut, left)


def _parts(entry: Entry) -> Iterator[tuple[int, memoryview]]:
    """Its sectors."""
    for at in range(0, len(entry.data), SECTOR):
        yield (entry.offset + at) // SECTOR, entry.data[at : at + SECTOR]
