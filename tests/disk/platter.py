"""What of a file is certainly on the disk, and what a power cut may leave of the rest. Pure."""

import random
from collections.abc import Iterator

import msgspec

SECTOR, PAGE = 512, 4096
"""A sector is old or new, never half of each; the kernel writes a page that was touched as a whole."""


class Write(msgspec.Struct, frozen=True):
    """Bytes at an offset; or, without bytes, the file's end is now at the offset."""

    offset: int
    data: bytes | None


class File:
    """One file: `durable` survives a power cut, of what was written since any sector may or may not be on the disk."""

    def __init__(self, durable: bytes, *, entered: bool) -> None:
        self.durable = bytearray(durable)
        self.entered = entered
        """Its folder knows it for certain."""
        self.dead = False
        """It was open when the power was cut."""
        self._pending: list[Write] = []
        self._forgotten: list[Write] = []

    def write(self, write: Write) -> None:
        """Into the kernel's memory."""
        self._pending.append(write)

    def sync(self) -> None:
        """All that was written since the last time is on the disk. What a failed sync forgot is not, but where its page
        was written again.
        """
        if self._forgotten:
            cache = self._cache()
            pages = {page for write in self._pending for page in _parts(write, PAGE)}
            self._forgotten = [
                Write(part, bytes(cache[part : part + SECTOR]))
                for part in sorted({part for write in self._forgotten for part in _parts(write, SECTOR)})
                if part - part % PAGE not in pages
            ]
            for page in sorted(pages):
                _apply(self.durable, Write(page, bytes(cache[page : page + PAGE])))
        else:
            for write in self._pending:
                _apply(self.durable, write)
        self._pending.clear()

    def sync_failed(self) -> None:
        """The kernel says so once, and then takes what it could not write for written: no later sync tries it again."""
        self._forgotten += self._pending
        self._pending.clear()

    def after_a_cut(self, chance: random.Random) -> bytes:
        """What may be left: each sector as it was at the last sync, or after any write since."""
        cache, left = bytearray(self.durable), bytearray(self.durable)
        writes = self._forgotten + self._pending
        odds = chance.choice((0.0, 0.1, 0.5, 0.9, 1.0))
        last = chance.randint(0, len(writes)) if chance.random() < 0.5 else len(writes)
        for write in writes[:last]:
            _apply(cache, write)
            landed, torn = chance.random() < odds, chance.random() < 0.3
            if write.data is None:
                if landed:
                    _apply(left, write)
                continue
            for start in _parts(write, SECTOR):
                if chance.random() < 0.5 if torn else landed:
                    _apply(left, Write(start, bytes(cache[start : start + SECTOR])))
        return bytes(left)

    def _cache(self) -> bytearray:
        cache = bytearray(self.durable)
        for write in self._forgotten + self._pending:
            _apply(cache, write)
        return cache


def _parts(write: Write, size: int) -> Iterator[int]:
    """Where the parts of this size begin that a write touches."""
    yield from range(write.offset - write.offset % size, write.offset + len(write.data or b""), size)


def _apply(content: bytearray, write: Write) -> None:
    content.extend(bytes(max(0, write.offset - len(content))))
    if write.data is None:
        del content[write.offset :]
    else:
        content[write.offset : write.offset + len(write.data)] = write.data
