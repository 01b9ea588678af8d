"""Every parser of the agent's that reads what others wrote, and the stage's own."""

from tests.fuzz import files, paper, wire
from tests.fuzz.target import Target


def targets(only: str = "") -> list[Target]:
    """All of them, or those whose name begins so."""
    return [each for room in (wire, paper, files) for each in room.targets() if each.name.startswith(only)]
