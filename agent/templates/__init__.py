"""The templates that come with the agent: package data, read as code is."""

from importlib import resources


def read() -> dict[str, str]:
    """Their texts by file name."""
    files = [file for file in resources.files(__name__).iterdir() if file.name.endswith(".j2")]
    return {file.name: file.read_text("utf-8") for file in sorted(files, key=lambda file: file.name)}
