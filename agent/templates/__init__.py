"""The templates that come with the agent: package data, read as code is."""

from pathlib import Path


def read() -> dict[str, str]:
    """Their texts by file name."""
    return {file.name: file.read_text("utf-8") for file in sorted(Path(__file__).parent.glob("*.j2"))}
