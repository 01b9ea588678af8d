"""A YAML file as nodes that know their line and column, and the list of everything that is wrong with it.

No scalar is guessed at: `0421`, `11:30`, `no` and `1e3` are text until somebody knows what is wanted there.
"""

import re
from typing import Any

import msgspec
import yaml

Node = yaml.nodes.Node

_TOO_DEEP = "it is nested too deeply; no setting needs more than four levels"
_PLAIN_WORDS = (
    ("character '\\t'", "a tab; indent with spaces only"),
    ("character '%'", "a value can't begin with %; put it in quotes"),
    ("character '@'", "a value can't begin with @; put it in quotes"),
    ("character '`'", "a value can't begin with `; put it in quotes"),
    (
        "mapping values are not allowed",
        "a second ': ' or a line too far to the right; quote the value or align it",
    ),
    ("could not find expected ':'", "this line has no ': '; write it as name: value"),
    ("while scanning a simple key", "this line has no ': '; write it as name: value"),
    (
        "expected <block end>",
        "it is not aligned with the lines above; give one list or group the same indentation",
    ),
    ("found unexpected end of stream", "a quote is opened and never closed; close it"),
    (
        "expected ',' or",
        "a comma or the closing bracket is missing; write [a, b] or {a: 1, b: 2}, and in quotes what has # or :",
    ),
    ("expected the node content", "a value is missing or begins with a special character; put it in quotes"),
    ("undefined alias", "a value that begins with * means a reference in YAML; put it in quotes"),
    ("unknown escape character", "a backslash inside double quotes; use single quotes"),
    ("expected a single document", "a second document begins here; remove the line ---"),
)
_SLIPS = (
    (re.compile(r"\s*(?:- )?[a-z_]+(：)"), "a full-width colon ：; write an ordinary : and a space"),
    (re.compile(r"\s*(?:- )?[a-z_]+(:)[^\s/:]"), "no space after the colon; write it as name: value"),
    (re.compile(r"\s*(-)[^\s-]"), "no space after the dash; write it as '- ' and the item"),
)
_FULL_WIDTH = {
    "：": "a full-width colon ：; write an ordinary :",
    "，": "a full-width comma ，; write an ordinary ,",
    "、": "a Chinese comma 、; write an ordinary ,",
    **dict.fromkeys("“”‘’", "Chinese quotes “ ”; write ordinary ones, or none"),
    **dict.fromkeys("｛｝［］", "a full-width bracket; write an ordinary one"),
}
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"|\'[^\']*\'|(?:^|\s)#.*')
_BLAME_BEGINNING = ("found unexpected end of stream", "could not find expected ':'")


class Mark(msgspec.Struct, frozen=True, order=True):
    """A place in the file, counted from 1."""

    line: int = 1
    column: int = 1


class Reading:
    """What was understood of a file so far: values and marks by path (`printers[0].link`), and problems."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.marks: dict[str, Mark] = {"": Mark()}
        self.values: dict[str, Any] = {}
        self._problems: list[tuple[Mark, str, str]] = []

    def add(self, path: str, text: str, mark: Mark | None = None) -> None:
        """Note that the value at `path` is wrong. `text` is: what is wrong; what to write instead."""
        self._problems.append((mark or self._nearest(path), path, text))

    def column(self, pattern: str) -> list[tuple[str, Any]]:
        """Paths and values of the same field in every item of a list, such as `printers[].name`."""
        wanted = re.compile(re.escape(pattern).replace(r"\[\]", r"\[\d+\]"))
        return [(path, value) for path, value in self.values.items() if wanted.fullmatch(path)]

    def lines(self) -> list[str]:
        """Every problem as `file:line:col: field: what; what instead`, in the file's order."""
        return [
            _printable(f"{self.file}:{mark.line}:{mark.column}: " + (f"{path}: " if path else "") + text)
            for mark, path, text in sorted(self._problems, key=lambda problem: problem[0])
        ]

    def _nearest(self, path: str) -> Mark:
        while path not in self.marks:
            path = path[: max(path.rfind("."), path.rfind("["), 0)]
        return self.marks[path]


class _TextLoader(yaml.SafeLoader):
    """A loader for which every plain scalar is text."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012


def parse(data: bytes, reading: Reading) -> Node | None:
    """The root node; None when the file is empty, or not YAML: then `reading` has the problem."""
    text = _decode(data, reading)
    if text is None:
        return None
    try:
        root = yaml.compose(text, Loader=_TextLoader)
        if not isinstance(root, yaml.ScalarNode) or not _add_slip(text.splitlines(), reading):
            return root
    except yaml.MarkedYAMLError as exc:
        _add_syntax_error(exc, text, reading)
    except yaml.reader.ReaderError as exc:
        character = f"U+{int(exc.character):04X}"
        reading.add("", f"an invisible control character ({character}); delete it", _mark_at(text, exc.position))
    except RecursionError:
        reading.add("", _TOO_DEEP)
    return None


def mark_of(mark: Any) -> Mark:
    """Our mark for PyYAML's, which count from 0."""
    return Mark(mark.line + 1, mark.column + 1) if mark else Mark()


def _printable(text: str) -> str:
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)


def _decode(data: bytes, reading: Reading) -> str | None:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        before = data[: exc.start]
        column = len(before.rpartition(b"\n")[2]) + 1
        text = "this is not UTF-8 text (perhaps GBK); save the file as UTF-8"
        reading.add("", text, Mark(before.count(b"\n") + 1, column))
        return None


def _mark_at(text: str, position: int) -> Mark:
    before = text[:position]
    return Mark(before.count("\n") + 1, len(before.rpartition("\n")[2]) + 1)


def _add_syntax_error(error: yaml.MarkedYAMLError, text: str, reading: Reading) -> None:
    """In plain words, where a person must change something: often before the parser stopped."""
    said = f"{error.problem}; {error.context}"
    blamed = error.context_mark if any(part in said for part in _BLAME_BEGINNING) else error.problem_mark
    mark = mark_of(blamed or error.problem_mark or error.context_mark)
    lines = text.splitlines()[: mark.line]
    if _add_slip(lines, reading) or _add_full_width(lines, reading) or _add_open_quote(lines, reading):
        return
    words = next((words for part, words in _PLAIN_WORDS if part in said), "")
    reading.add("", words or f"this is not YAML ({error.problem}); compare with the example file", mark)


def _add_slip(lines: list[str], reading: Reading) -> bool:
    """Name the first line that shows one of the usual slips of the hand."""
    for number, line in enumerate(lines, start=1):
        for slip, words in _SLIPS:
            if found := slip.match(line):
                reading.add("", words, Mark(number, found.start(1) + 1))
                return True
    return False


def full_width(text: str) -> str:
    """What to write instead of the first Chinese punctuation in `text`; "" where there is none."""
    return next((words for char in text if (words := _FULL_WIDTH.get(char))), "")


def _add_full_width(lines: list[str], reading: Reading) -> bool:
    """Chinese punctuation, outside quotes, in the line at which the parser stopped."""
    bare = _QUOTED.sub(lambda found: " " * len(found[0]), lines[-1] if lines else "")
    for column, char in enumerate(bare, start=1):
        if words := _FULL_WIDTH.get(char):
            reading.add("", words, Mark(len(lines), column))
            return True
    return False


def _add_open_quote(lines: list[str], reading: Reading) -> bool:
    """A quote that its line does not close: YAML reads on to the next one, and stops there."""
    for number, line in enumerate(lines, start=1):
        bare = _QUOTED.sub(lambda found: " " * len(found[0]), line)
        if (column := bare.find('"') + 1) > 0:
            reading.add("", "a quote is opened and never closed; close it", Mark(number, column))
            return True
    return False
