"""What an encoder may say, and nothing else: a stream of bytes, taken apart by its whole vocabulary."""

import re
from collections.abc import Callable, Iterator, Mapping


def taken_apart(commands: Mapping[bytes, int], picture: Callable[[bytes, int], int], data: bytes) -> Iterator[bytes]:
    """Commands with their parameters, pictures whole, LF, and runs of text. `commands` are names of two bytes, and how
    many bytes of parameters follow; `picture` tells the size of one that begins here, 0 for none.
    """
    at = 0
    while at < len(data):
        name = data[at : at + 2]
        if name in commands:
            end = at + 2 + commands[name]
        elif size := picture(data, at):
            end = at + size
        elif data[at] < 0x20:
            end = at + 1
        else:
            text = re.compile(rb"[^\x00-\x1f]+").match(data, at)
            assert text
            end = text.end()
        yield data[at:end]
        at = end
