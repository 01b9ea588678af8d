"""What a target of the fuzzer is."""

from collections.abc import Callable

import msgspec


class Target(msgspec.Struct, frozen=True):
    """`feed` takes an input and returns what came of it in few words: new words lead the search on. It raises nothing
    but what is `documented`; an AssertionError is a broken rule. `weight` is its share of the time.
    """

    name: str
    feed: Callable[[bytes], str]
    seeds: list[bytes]
    words: list[bytes] = []
    documented: tuple[type[BaseException], ...] = ()
    weight: int = 1
