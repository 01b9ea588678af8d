"""The words of a payload that no expression read: a mapping may be wrong or old, and a customer's words must not be
lost for that. Pure.
"""

import re
from typing import Any

import msgspec

from agent.errors import DecodeError
from agent.intake import functions
from agent.intake.expressions import Reader
from agent.intake.strictjson import decode_tree

MOST_CHARACTERS = 200
"""Of one text; a page of terms is not for the kitchen."""
MOST_TEXTS = 20
_MOST_NAME = 40
_NAMES, _VALUES = ("display_key", "key", "name", "label"), ("display_value", "value")
_MOST_INNER = 4
_MOST_ADDRESS = 300

_FREE_TEXT = re.compile(
    r"(note|remark|comment|memo|message|instruct|caution|request|allerg|special|prefer|wish|greeting|descri|备注|留言)",
    re.IGNORECASE,
)
_NO_WORDS = re.compile(
    r"[a-z][a-z0-9+.-]*://\S*|www\.\S+|\S+@\S+\.[a-z]+|\d{4}-\d\d-\d\d[T ]\d\d:\d\d\S*|"
    r"true|false|null|none|n/a|undefined|default title",
    re.IGNORECASE,
)

_WHEN = re.compile(
    r"(?i:pick.?up|collect|deliver|slot|zeit|datum|fecha|heure|时间|日期|时段)|"
    r"^(?!_).*(?:Time|Date|(?<![A-Za-z])(?:time|date|TIME|DATE))(?![a-z])"
)
"""Names that say when or how the customer comes: what belongs to them is printed, though it may be digits only."""


class Ignored(msgspec.Struct, frozen=True):
    """Which places of a payload hold no words for the kitchen. `pattern` matches a place and all below; None: none."""

    pattern: re.Pattern[str] | None = None

    def __contains__(self, place: str) -> bool:
        return self.pattern is not None and self.pattern.match(place) is not None


def ignored(paths: list[str]) -> Ignored:
    """Paths such as `billing`, `line_items.taxes`, `meta_data.*.id` or `**.image_url`; lists have no numbers."""
    if not paths:
        return Ignored()
    parts = [re.escape(path).replace(r"\*\*\.", r"(?:.*\.)?").replace(r"\*", r"[^.]*") for path in paths]
    return Ignored(re.compile(rf"(?:{'|'.join(parts)})(?:\.|\Z)"))


def unread_words(
    payload: Any, reader: Reader, order: dict[str, Any], dishes: dict[int, dict[str, Any]], ignore: Ignored
) -> list[str]:
    """What looks like words and was not read, each as `field: words`, with the dish before it where it stands in one.

    What the order says word for word was read; within a dish, what that dish says or the order beside its dishes.
    An object of a name and a value is one text: the time in `Pickup Time: 18:30` alone is no words. `dishes` are the
    order's by their places in the payload.
    """
    beside = _texts({name: value for name, value in order.items() if name != "items"})
    everything = _texts(order)
    found: dict[str, None] = {}
    pending = [_Place(payload, known=everything)]
    while pending:
        place = pending.pop()
        node = place.node
        if type(node) is dict:
            dish = dishes.get(id(node))
            if dish is not None:
                place = msgspec.structs.replace(place, dish=str(dish["name"]), known=beside | _texts(dish))
            if (pair := _pair(place, reader, ignore)) is not None:
                found[_line(place.dish, pair.name, pair.value)] = None
                place = msgspec.structs.replace(place, known=place.known | pair.said)
            below = [place.below(name, value) for name, value in node.items() if _may_hold_words(value, reader)]
            pending += [inner for inner in reversed(below) if inner.path not in ignore]
        elif type(node) is list:
            pending += [msgspec.structs.replace(place, node=value) for value in reversed(node)]
        elif type(node) is str and (tree := _tree_inside(node, reader, place.depth)) is not None:
            pending.append(msgspec.structs.replace(place, node=tree, depth=place.depth + 1))
        elif type(node) is not str or id(node) in reader.read or node.strip() in place.known:
            continue
        elif looks_like_words(place.key, node):
            found[_line(place.dish, place.key[:_MOST_NAME], node)] = None
    return few(list(found))


class _Place(msgspec.Struct):
    """A node of the payload: where it is, in which dish, which texts that one says, how deep in JSON inside texts."""

    node: Any
    path: str = ""
    key: str = ""
    dish: str = ""
    known: set[str] = set()
    depth: int = 0

    def below(self, name: str, node: Any) -> "_Place":
        path = f"{self.path}.{name[:_MOST_NAME]}" if self.path else name[:_MOST_NAME]
        return _Place(node, path, self._key(name), self.dish, self.known, self.depth)

    def _key(self, name: str) -> str:
        """What the words are called: the name in a pair of name and value, else the field's own."""
        said = [self.node.get(key) for key in _NAMES] if name in _VALUES else []
        return next((word for word in said if type(word) is str and word), name)


class _Pair(msgspec.Struct):
    """A name and its value; `said` are the texts that need not be said again."""

    name: str
    value: str
    said: set[str]


def _pair(place: _Place, reader: Reader, ignore: Ignored) -> _Pair | None:
    """Name and value of an object that has both, where one of them is words or the name says when; else None."""
    node = place.node
    named = next((key for key in _NAMES if type(node.get(key)) is str and node[key].strip()), "")
    valued = next((key for key in _VALUES if node.get(key) not in (None, "", [], {})), "")
    if not named or not valued or any(place.below(key, None).path in ignore for key in (named, valued)):
        return None
    held = node[valued]
    if type(held) is str and (tree := _tree_inside(held, reader, place.depth)) is not None:
        held = tree
    name, value = node[named].strip(), ", ".join(functions.flat(held))
    new = id(node[named]) not in reader.read and name not in place.known
    fresh = value not in place.known and not any(id(text) in reader.read for text in _strings(held))
    when = new and fresh and _WHEN.search(name) is not None and "://" not in value
    words = (new and looks_like_words(named, name)) or (fresh and looks_like_words(name, value))
    deep = type(held) is dict or (type(held) is list and any(type(inner) in (dict, list) for inner in held))
    if not when and (deep or not words):
        return None  # words deeper in it are found one by one
    return _Pair(name, value, {name} if deep or len(value) > MOST_CHARACTERS else {name, value, *_texts(held)})


def looks_like_words(key: str, text: str) -> bool:
    """Would a person say it? Any script but plain ASCII, or several words; one ASCII word alone only in a field whose
    name says that people write there. No dates, addresses of pages, numbers or phones.
    """
    text = text.strip()
    if len(text) <= _MOST_ADDRESS and _NO_WORDS.fullmatch(text):
        return False
    if not text.isascii() and any(char.isalpha() and not char.isascii() for char in text):
        return True
    if any(char.isspace() for char in text):
        return re.search(r"[A-Za-z]{2}", text) is not None
    return _FREE_TEXT.search(key) is not None and re.search(r"[A-Za-z]{2}", text) is not None


def _texts(tree: Any) -> set[str]:
    return {text.strip() for text in _strings(tree)}


def _strings(tree: Any) -> list[str]:
    found, pending = [], [tree]
    while pending:
        node = pending.pop()
        if type(node) is str:
            found.append(node)
        elif type(node) is dict:
            pending += node.values()
        elif type(node) is list:
            pending += node
    return found


def _may_hold_words(value: Any, reader: Reader) -> bool:
    """A quick look: most of a payload is numbers, and what was read."""
    if type(value) is str:
        return value != "" and (id(value) not in reader.read or id(value) in reader.inner)
    return type(value) is dict or type(value) is list


def _tree_inside(text: str, reader: Reader, depth: int) -> Any:
    """A list or an object that is written as a text; None where it is none."""
    if id(text) in reader.inner:
        return reader.inner[id(text)]
    if depth >= _MOST_INNER or not text.startswith(("{", "[")):
        return None
    try:
        return decode_tree(text.encode())
    except DecodeError:
        return None


def _line(dish: str, key: str, text: str) -> str:
    return f"{dish[:_MOST_NAME]} {_cut(key)}: {_cut(text)}".strip()


def _cut(text: str) -> str:
    words = " ".join(text.split())
    return words if len(words) <= MOST_CHARACTERS else words[:MOST_CHARACTERS] + "…"


def few(found: list[str]) -> list[str]:
    """So many that they still fit a ticket, and how many are left out."""
    left = len(found) - MOST_TEXTS
    if left <= 0:
        return found
    return [*found[:MOST_TEXTS], f"还有{left}处文字,请看平台原单 {left} more texts, see the order on the platform"]
