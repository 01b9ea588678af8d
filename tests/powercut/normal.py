"""The agent with a journal that forgets at a power cut: synchronous=NORMAL. Whoever looks for losses must find some."""

from pathlib import Path

from agent.__main__ import main
from agent.journal import store
from agent.journal.file import MIGRATIONS, Opened, open_journal


def careless(path: Path, migrations: Path = MIGRATIONS) -> Opened:
    """As ours, and then not."""
    opened = open_journal(path, migrations)
    opened.connection.execute("PRAGMA synchronous=NORMAL")
    return opened


if __name__ == "__main__":
    store.open_journal = careless  # type: ignore[attr-defined]  # where it is used
    main()
