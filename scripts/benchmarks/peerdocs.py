"""Where `scripts/bench peers --write` puts its results: the README's table and picture, and the evidence."""

from pathlib import Path

from scripts.benchmarks import chart, peertables
from scripts.benchmarks.scenes import SCENES
from scripts.benchmarks.sidebyside import Notebook, Plan
from scripts.benchmarks.table import between

ROOT = Path(__file__).parents[2]
BEGIN, END = "<!-- peers: begin; scripts/bench peers --write -->", "<!-- peers: end -->"
PICTURE, EVIDENCE = "docs/peers.svg", "docs/evidence/peers.md"


def write(plan: Plan, book: Notebook, facts: str, command: str, root: Path = ROOT) -> None:
    """Renew the three files."""
    found = peertables.totals(plan, book)
    names = [peertables.title(total.name) for total in found]
    below = f"{plan.times.capitalize()}, {book.day}. Repeat: {command}"
    (root / PICTURE).write_text(chart.draw(found, names, below), "utf-8")
    (root / EVIDENCE).write_text(evidence(plan, book, facts, command), "utf-8")
    readme = root / "README.md"
    readme.write_text(between(readme.read_text("utf-8"), BEGIN, END, _short(plan, book, command)), "utf-8")


def _short(plan: Plan, book: Notebook, command: str) -> str:
    scenes = "; ".join(SCENES[part].heading(plan.scale) for part in peertables.COMMON if part in plan.parts)
    return (
        f"![What is lost, doubled and torn under faults: shop-agent and what a shop would run instead]({PICTURE})\n\n"
        f"{peertables.short(plan, book)}\n\n{peertables.faster(plan, book)}\n\n"
        f"{plan.times.capitalize()} (a total's is that of the rounds' totals), {book.day}, one run of `{command}`, the "
        f"same orders, broker and failing printer for each: {scenes}.\n"
        f"Set-ups and all tables: [{EVIDENCE}]({EVIDENCE}), [scripts/benchmarks/peers](scripts/benchmarks/peers)."
    )


def evidence(plan: Plan, book: Notebook, facts: str, command: str) -> str:
    """The whole document."""
    errors = [f"- round {each.round}, {each.part}, {each.name}: {each.error.splitlines()[0]}" for each in book.errors]
    parts = [
        "# Evidence: side by side",
        f"`{command}`  \n{facts}",
        _METHOD.format(times=plan.times),
        "## Under faults\n\nLost / twice without a mark / in part without a mark.",
        peertables.faults(plan, book),
        "## What was said\n\nOrders said to be printed that were on no paper, at the worst moment; and of how many it "
        "was said, to the cloud or in the log, that they are held or in doubt. Node-RED's `tcp out` says nothing.",
        peertables.words(plan, book),
        "## Speed",
        peertables.speeds(plan, book),
        peertables.faster(plan, book),
        _FAIR,
        *(["## What did not come to an end", "\n".join(errors)] if errors else []),
    ]
    return "\n\n".join(parts) + "\n"


_METHOD = """\
Each contender gets the same JSON orders (1 to 3 KB, Chinese) from a mosquitto of its own and prints on the virtual
printer, by TCP or on a pty. Each one's set-up is a small file in `scripts/benchmarks/peers`: as its documentation
shows it, with a persistent session wherever it offers one, and started again 0.1 s after it ends by itself. `kill -9`
is to it and all its children. Paper is the judge (`scripts/benchmarks/score.py`): an order is whole where one ticket
bears its number and all its dishes with their quantities; a footer that is missing is forgiven. shop-agent is set to
settle doubts after 2 s instead of 20 (`printing.reprint_after_s`), so that a run ends. What is not there 4 s after
the last line (6 to 20 s for those that try again) is lost. Every figure: {times};
a total's is that of the rounds' totals, and need not be the sum of the scenes' medians."""

_FAIR = """\
Latency is from publishing to the ticket's last byte at the printer, at 5 orders a second; the burst is published at
once. The floor prints bytes that are ready and keeps nothing: it says what broker, line and Python take. shop-agent
commits each order and each outcome to disk, waits for the printer's word, and reports. None of the others keeps an
order before it prints it (CUPS does so once `lp` took it), and only ReceiptIO asks the printer anything: where they
are faster, that is what the time is for. The printer of the speed run takes many connections at once, which a real
one does not: that favours node-thermal-printer, which opens one for each order."""
