"""Commands from the cloud that work outside the journal: one after another, on a thread of their own, so that no order
waits for a file. They are in the journal before they begin, so that a kill in between costs none.
"""

import threading
from collections.abc import Callable

from agent.intake.commands import Commands, Done
from agent.journal.commands import Begun
from agent.journal.store import Journal


class Errands:
    """`told` gets each that was answered, and how, on the journal's thread."""

    def __init__(self, journal: Journal, commands: Commands, told: Callable[[Begun, Done], None]) -> None:
        self._journal = journal
        self._commands = commands
        self._told = told
        self._turn = threading.Lock()

    def start(self, command: Begun) -> None:
        """Returns at once."""
        threading.Thread(target=self._run, args=(command,), name="errand", daemon=True).start()

    def _run(self, command: Begun) -> None:
        with self._turn:
            done = self._commands.run(command.kind, {"by": command.by})
        self._journal.submit(lambda tx: self._commands.conclude(tx, command, done), lambda _: self._told(command, done))
