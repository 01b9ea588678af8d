"""The configuration that the agent last ran well with, kept in its data directory for a start at which the file has
become wrong: the shop goes on printing as it did, under an alarm that says where the mistake is.
"""

import os
import re
from pathlib import Path

from agent import atomicfile, log
from agent.config import Config, load, read_file
from agent.config.words import bilingual
from agent.errors import ConfigError

FILE = "last-good.yaml"
_DATA_DIR = re.compile(rb"^data_dir:[ \t]+([^#\r\n]+)", re.M)
_log = log.get("config")


def load_or_last(path: Path) -> tuple[Config, str]:
    """What the file says, and ""; or, where it is wrong, what the agent last ran with, and what is wrong with the file.

    Raises:
        ConfigError: it is wrong and nothing was kept, or it is not there: whoever took it away meant it.
    """
    try:
        return load(path), ""
    except ConfigError as exc:
        kept = _last(path)
        if kept is None:
            raise
        return kept, in_short(str(exc))


def keep(path: Path, running: Config) -> None:
    """Keep the file's text, if the agent runs with just what it says. What can't be kept is logged."""
    copy = running.data_dir / FILE
    try:
        data = read_file(path)
        if (copy.exists() and read_file(copy) == data) or load(path, data=data) != running:
            return
        atomicfile.replace(copy, data, mode=0o600)
    except ConfigError:
        return  # the file is wrong by now: what was kept is what it is kept for
    except OSError as exc:
        _log.warning("config.last_good_not_kept", reason=exc.strerror, file=str(copy))


def in_short(said: str) -> str:
    """The first of its mistakes, with file, line and column, and how many more there are."""
    first, *others = bilingual(said).splitlines()
    return f"{first} (+{len(others)})" if others else first


def _last(path: Path) -> Config | None:
    """The kept text as if it stood in the file: paths in it start at the file's own folder."""
    if not os.path.lexists(path):
        return None
    folder = _data_dir(path)
    try:
        config = load(path, data=read_file(folder / FILE))
    except ConfigError:
        return None
    return config if config.data_dir == folder else None


def _data_dir(path: Path) -> Path:
    """Where the file says so in one plain line, whatever else is wrong with it; else where it is without."""
    try:
        found = _DATA_DIR.search(read_file(path))
    except ConfigError:
        found = None
    if found is None:
        return Config(shop="any").data_dir
    return path.absolute().parent / Path(os.fsdecode(found[1]).strip().strip("'\"")).expanduser()
