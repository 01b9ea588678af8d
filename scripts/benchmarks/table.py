"""Results as Markdown tables, and the few statistics in them."""

import math
import statistics
from collections.abc import Sequence


def markdown(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table; the first column is left-aligned, the others right."""
    head = [f"| {' | '.join(columns)} |", "|---" + "|---:" * (len(columns) - 1) + "|"]
    return "\n".join(head + [f"| {' | '.join(row)} |" for row in rows])


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that `share` of them (0 to 1) don't exceed; NaN where there are none."""
    ranked = sorted(values)
    return ranked[max(0, math.ceil(share * len(ranked)) - 1)] if ranked else math.nan


def median(values: Sequence[float]) -> float:
    """The median; NaN where there are none."""
    return statistics.median(values) if values else math.nan


def spread(values: Sequence[float], digits: int) -> str:
    """The smallest and the largest."""
    return f"{min(values):,.{digits}f}–{max(values):,.{digits}f}" if values else "–"


def ratio(value: float, base: float | None) -> str:
    """How many times `base` it is; a dash where there is nothing to compare with."""
    return "–" if not base or math.isnan(base) or math.isnan(value) else f"{value / base:.2f}×"


def between(document: str, begin: str, end: str, text: str) -> str:
    """The document with what stands between two marks made anew. Raises ValueError: the marks are not there."""
    before, found, rest = document.partition(begin)
    _, closed, after = rest.partition(end)
    if not found or not closed:
        raise ValueError(f"there must be the lines {begin} and {end}")
    return f"{before}{begin}\n{text}\n{end}{after}"
