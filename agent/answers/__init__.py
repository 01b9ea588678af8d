"""What the box answers to whoever stands at it: its printers, its queue, and a person's word on a ticket or a printer.

Runs on the visitor's thread: it reads through a connection of its own, and what it changes goes through the journal's
writer. It waits for nothing without an end, nor while the agent stops.
"""

from collections.abc import Callable, Mapping, Sequence

from agent.answers.finder import Finder
from agent.answers.printers import Hand, PrinterAnswers
from agent.answers.queue import QueueAnswers
from agent.answers.word import Word
from agent.clock import Clock
from agent.config import Printer
from agent.control import Handler
from agent.intake.commands import Commands
from agent.journal.store import Journal


def answers(
    journal: Journal,
    printers: Sequence[Printer],
    workers: Mapping[str, Hand],
    clock: Clock,
    stir: Callable[[], None] = lambda: None,
    commands: Commands | None = None,
    finder: Finder | None = None,
) -> dict[str, Handler]:
    """The handlers for `Control`, by the request's word. `stir` wakes who lets waiting orders go."""
    finder = finder or Finder(printers)
    word = Word(journal, commands or Commands(printers=[printer.name for printer in printers]), clock)
    queue = QueueAnswers(journal, workers, clock, word, stir)
    hands = PrinterAnswers(journal, printers, workers, clock, word, finder)
    return {**queue.table(), **hands.table(), **finder.table()}
