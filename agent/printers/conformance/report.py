"""What a run of the checks found, as lines that survive a chat: 80 columns at most, no tabs, no markup."""

import unicodedata
from collections.abc import Iterator

import msgspec

from agent.model.printer import Capabilities, Identity, Tier
from agent.printers.conformance.verdict import Failed, Passed, Skipped, Verdict, Words

WIDTH = 80
_SIGNS: dict[type[Verdict], str] = {Passed: "✓", Failed: "✗", Skipped: "–"}
_TIERS = {
    Tier.PROCESS_ID: "1 一票一控 process ID: exact",
    Tier.STATUS: "2 流控 status fence: strong",
    Tier.NONE: "3 无应答 write-only: presumed",
}
_FACTS = ("firmware", "maker", "model", "serial")
_NO_MARKUP = str.maketrans("`*", "'+")
_NARROW = frozenset("✓✗–·…")


class Result(msgspec.Struct, frozen=True):
    """One check: its verdict, how long it took, the bytes it sent and heard, and what a person must look at."""

    name: str
    zh: str
    en: str
    verdict: Verdict
    seconds: float
    bytes_out: int
    bytes_in: int
    looks: tuple[Words, ...] = ()


class Report(msgspec.Struct, frozen=True):
    """Everything. `ended_by` says why not all checks were run, "" where they were."""

    date: str
    agent: str
    kernel: str
    link: str
    identity: Identity
    facts: tuple[str, ...]
    capabilities: Capabilities | None
    results: tuple[Result, ...]
    ended_by: str = ""

    @property
    def failed(self) -> tuple[str, ...]:
        """The names of the checks that failed."""
        return tuple(result.name for result in self.results if isinstance(result.verdict, Failed))

    def verdict(self, name: str) -> Verdict:
        """Of this check. Raises KeyError."""
        return {result.name: result.verdict for result in self.results}[name]

    def json(self) -> str:
        """For programs: one line."""
        return msgspec.json.encode(self).decode()

    def text(self) -> str:
        """For people."""
        return "\n".join(line.rstrip() for line in self._lines()) + "\n"

    def _lines(self) -> Iterator[str]:
        yield "打印机检验 shop-agent printer check"
        for zh, en, value in (
            ("时间", "date", self.date),
            ("版本", "agent", f"{self.agent}, {self.kernel}"),
            ("链路", "link", self.link),
            ("端口", "port", self.identity.port),
            ("设备", "device", self.identity.device),
            ("自述", "says", ", ".join(f"{n} {fact}" for n, fact in zip(_FACTS, self.facts, strict=False) if fact)),
            ("等级", "tier", self._tier()),
        ):
            yield from wrapped(f"{zh} {en}: {value or '–'}")
        yield ""
        for result in self.results:
            yield from _lines_of(result)
        if looks := [(result.name, look) for result in self.results for look in result.looks]:
            yield ""
            yield "请看纸 please look at the paper: nobody did yet"
            for _, look in looks:
                yield from wrapped(f"· {look.zh}")
                yield from wrapped(f"  {look.en}")
        yield ""
        yield from wrapped(self._sum())
        if self.ended_by:
            yield from wrapped(f"未完 not finished: {self.ended_by}")

    def _tier(self) -> str:
        known = self.capabilities
        if known is None:
            return ""
        return f"{_TIERS[known.tier]}; DLE EOT {' '.join(map(str, known.realtime)) or '–'}"

    def _sum(self) -> str:
        counts = [f"{sum(isinstance(r.verdict, kind) for r in self.results)} {sign}" for kind, sign in _SIGNS.items()]
        seconds = sum(result.seconds for result in self.results)
        out, back = (sum(getattr(r, side) for r in self.results) for side in ("bytes_out", "bytes_in"))
        return f"结果 result: {', '.join(counts)}; {seconds:.1f} s, {out} bytes out, {back} bytes in"


def headline(result: Result) -> str:
    """One line for one check."""
    return f"{_SIGNS[type(result.verdict)]} {result.name} {result.zh}: {result.en}"


def columns(text: str) -> int:
    """How many columns it takes: wide characters take two. What is ambiguous is counted as most terminals show it."""
    return sum(2 if unicodedata.east_asian_width(c) in "WF" and c not in _NARROW else 1 for c in text)


def wrapped(text: str) -> list[str]:
    """The same in lines of at most 80 columns; what goes on is indented.

    Only what can be printed is kept, and nothing that a chat would take for markup.
    """
    text = "".join(c if c.isprintable() else "?" for c in text).translate(_NO_MARKUP)
    indent = " " * (len(text) - len(text.lstrip()) + 2)
    lines, line = [], ""
    for word in _words(text):
        if line.strip() and columns(line + word.rstrip()) > WIDTH:
            lines.append(line)
            line, word = indent, word.lstrip()
        line += word
    return [*lines, line]


def _words(text: str) -> Iterator[str]:
    """Pieces that a line may be broken between: behind a blank, around a wide character, in what is too long."""
    word = ""
    for character in text:
        if word and (word[-1] == " " or columns(character) > 1 or columns(word[-1]) > 1 or columns(word) >= WIDTH - 8):
            yield word
            word = ""
        word += character
    yield word


def _lines_of(result: Result) -> Iterator[str]:
    yield from wrapped(headline(result))
    measured = "" if isinstance(result.verdict, Skipped) else f" ({_measured(result)})"
    yield from wrapped(f"  {result.verdict.detail}{measured}")


def _measured(result: Result) -> str:
    if not result.bytes_out + result.bytes_in:
        return f"{result.seconds:.2f} s"
    return f"{result.seconds:.2f} s, {result.bytes_out} bytes out, {result.bytes_in} in"
