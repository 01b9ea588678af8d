"""Inputs without end, grown from good ones: bytes are flipped, cut, doubled and joined, JSON is changed as a tree.

No coverage is measured. Instead an input whose outcome was never seen before joins the pool, so that the rarer faults
are looked for around those that were found.
"""

import json
import random
from collections.abc import Callable, Sequence
from typing import Any

MOST_BYTES = 8192
MOST_KEPT = 3000
_NUMBERS: tuple[Any, ...] = (0, -1, 1, 2, 255, 256, 65535, 2**31, 2**53, 2**63, 2**64, -(2**63), 1e308, 0.1, 10**30)
_TEXTS = (
    "",
    "0",
    "-1",
    "1e5",
    "NaN",
    "２",
    "\0",
    "\u202e",
    "👩‍👩‍👧",
    "中" * 70,
    "a" * 600,
    "<CUT>",
    "{{",
    "\ud800",
    "豆浆\r\n",
)
_TIMES = ("2026-11-22T07:31:05+08:00", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "2026-11-22 07:31", "24:00")
_VALUES: tuple[Any, ...] = (None, True, False, [], {}, [[]], *_NUMBERS, *_TEXTS, *_TIMES)


class Mutator:
    """Makes inputs. The same seed makes the same ones, as long as `keep` is told the same."""

    def __init__(self, seeds: Sequence[bytes], words: Sequence[bytes], seed: int) -> None:
        self._random = random.Random(seed)
        self._pool = list(seeds)
        self._fixed = len(seeds)
        self._words = tuple(words) or (b"\0",)
        self._trees = [tree for each in seeds if isinstance(tree := _tree(each), dict | list)]
        self._ways: tuple[Callable[[bytearray], None], ...] = (
            self._flip,
            self._set,
            self._drop,
            self._double,
            self._join,
            self._put_word,
            self._put_word,
        )

    def next(self) -> bytes:
        """One more."""
        chance = self._random
        if self._trees and chance.random() < 0.5:
            return self._changed_tree(chance.choice(self._trees))
        data = bytearray(chance.choice(self._pool))
        for _ in range(1 + int(chance.expovariate(0.5))):
            chance.choice(self._ways)(data)
        return bytes(data[:MOST_BYTES])

    def keep(self, data: bytes) -> None:
        """This one led somewhere new."""
        if len(self._pool) < self._fixed + MOST_KEPT:
            self._pool.append(data)
        else:
            self._pool[self._fixed + self._random.randrange(MOST_KEPT)] = data

    # -- bytes ---------------------------------------------------------------------------------------------------

    def _flip(self, data: bytearray) -> None:
        if data:
            data[self._random.randrange(len(data))] ^= 1 << self._random.randrange(8)

    def _set(self, data: bytearray) -> None:
        if data:
            data[self._random.randrange(len(data))] = self._random.choice(
                (0, 255, 127, 128, self._random.randrange(256))
            )

    def _span(self, data: bytes | bytearray) -> slice:
        begin = self._random.randrange(len(data) + 1)
        return slice(begin, begin + int(self._random.expovariate(1 / 12)))

    def _drop(self, data: bytearray) -> None:
        del data[self._span(data)]

    def _double(self, data: bytearray) -> None:
        piece = data[self._span(data)] * self._random.choice((1, 1, 1, 2, 40))
        at = self._random.randrange(len(data) + 1)
        data[at:at] = piece[:MOST_BYTES]

    def _join(self, data: bytearray) -> None:
        other = self._random.choice(self._pool)
        data[self._span(data)] = other[self._span(other)]

    def _put_word(self, data: bytearray) -> None:
        at = self._random.randrange(len(data) + 1)
        data[at:at] = self._random.choice(self._words)

    # -- trees ---------------------------------------------------------------------------------------------------

    def _changed_tree(self, tree: Any) -> bytes:
        for _ in range(1 + int(self._random.expovariate(1))):
            tree = self._changed(tree)
        return json.dumps(tree, ensure_ascii=self._random.random() < 0.2).encode("utf-8", "surrogatepass")

    def _changed(self, node: Any) -> Any:
        """The same tree but for one place; what is not on the way there is shared."""
        chance = self._random
        if not node or not isinstance(node, dict | list) or chance.random() < 0.12:
            return self._other(node)
        place: Any = chance.choice(list(node)) if isinstance(node, dict) else chance.randrange(len(node))
        copy: Any = node.copy()
        how = chance.random()
        if how < 0.06:
            del copy[place]
        elif how < 0.1 and isinstance(copy, dict):
            copy[chance.choice(("", "id", "order", "items", place + "x"))] = copy[place]
        elif how < 0.14 and isinstance(copy, list):
            copy += [copy[place]] * chance.choice((1, 3, 200))
        else:
            copy[place] = self._changed(copy[place])
        return copy

    def _other(self, node: Any) -> Any:
        chance = self._random
        how = chance.random()
        if how < 0.1:
            return [node]
        if how < 0.15:
            for _ in range(chance.choice((1, 40))):
                node = {"children": [node]}
            return node
        if how < 0.4 and isinstance(node, str):
            return node + chance.choice(_TEXTS)
        if how < 0.5 and isinstance(node, int | float):
            return str(node)
        return chance.choice(_VALUES)


def _tree(data: bytes) -> Any:
    try:
        return json.loads(data)
    except ValueError:
        return None
