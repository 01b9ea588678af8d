"""The matrix as Markdown, from the columns that were measured; pure."""

from collections.abc import Sequence

from scripts.benchmarks.table import between
from tests.matrix.run import Column

BEGIN, END = "<!-- matrix: begin; scripts/matrix --write -->", "<!-- matrix: end -->"


def render(columns: Sequence[Column]) -> str:
    """All the tables."""
    spoken = [column for column in columns if not column.refusal]
    parts = [
        "### What was run",
        _brokers(columns),
        "### What each broker does, by bare clients",
        _rows(spoken, [(row, [each.facts.get(row, "–") for each in spoken]) for row in _keys(spoken, "facts")]),
        "### What the agent makes of it",
        _rows(
            spoken,
            [(row, [each.scenes.get(row, "–") for each in spoken]) for row in _keys(spoken, "scenes")]
            + [
                ("**Tickets owed**", [str(each.paper.tickets) for each in spoken]),
                ("**Lost**", [str(each.paper.lost) for each in spoken]),
                ("**Doubled without a mark**", [str(each.paper.doubled) for each in spoken]),
                ("**Otherwise wrong**", [str(each.paper.other) for each in spoken]),
                ("Marked 补打", [str(each.paper.marked) for each in spoken]),
            ],
        ),
    ]
    return "\n\n".join(parts)


def insert(document: str, columns: Sequence[Column]) -> str:
    """The document with its generated part made anew. Raises ValueError: its two marks are not there."""
    return between(document, BEGIN, END, render(columns))


def merge(old: Sequence[Column], new: Sequence[Column]) -> list[Column]:
    """The new ones in the place of those that they renew; others stay with their date."""
    fresh = {column.name: column for column in new}
    kept = [fresh.pop(column.name, column) for column in old]
    return [*kept, *fresh.values()]


def _brokers(columns: Sequence[Column]) -> str:
    lines = ["| Broker | Version | MQTT 5 | 3.1.1 | Settings beyond its defaults | Run |", "|---|---|---|---|---|---|"]
    for kind in dict.fromkeys(column.kind for column in columns):
        own = [column for column in columns if column.kind == kind]
        words = {column.protocol: f"no: {column.refusal}" if column.refusal else "yes" for column in own}
        settings = "; ".join(f"{setup}: {said}" for setup, said in own[0].settings.items() if said) or "none"
        versions = f"{words.get('5', '–')} | {words.get('3.1.1', '–')}"
        lines.append(f"| {own[0].title} | {own[0].version} | {versions} | {settings} | {own[-1].date} |")
    return "\n".join(lines)


def _rows(columns: Sequence[Column], rows: Sequence[tuple[str, Sequence[str]]]) -> str:
    heads = [f"{each.title} {each.version}, MQTT {each.protocol}" for each in columns]
    lines = [f"| | {' | '.join(heads)} |", "|---" * (len(heads) + 1) + "|"]
    return "\n".join(lines + [f"| {row} | {' | '.join(cells)} |" for row, cells in rows])


def _keys(columns: Sequence[Column], of: str) -> list[str]:
    return list(dict.fromkeys(row for column in columns for row in getattr(column, of)))
