"""A configuration on the boot partition, which any laptop can write: installed at the start, and then taken away.

One that is not right stays, and beside it a text says what is wrong with it, for whoever wrote it.
"""

import os
from collections.abc import Callable, Iterable
from pathlib import Path

from agent import atomicfile, log
from agent.config.words import Fault, faults
from agent.errors import ConfigError

FOLDERS = (Path("/boot/firmware"), Path("/boot"))
NAMES = ("shop-agent.yaml", "shop-agent.yml", "shop-agent.yaml.txt")
"""The last is what a Windows makes that hides the ends of names."""
ERRORS = "shop-agent.errors.txt"
_HEAD = (
    "{name} 没有被采用：里面有下面这些错误。请改正后存盘，把卡放回盒子，重新开机。",
    "{name} was not taken: it has the errors below. Mend them, save it, put the card back and start the box again.",
    "",
)
_log = log.get("boot")


def find(folders: Iterable[Path] = FOLDERS) -> Path | None:
    """The file, where there is one."""
    return next((path for folder in folders for name in NAMES if (path := folder / name).is_file()), None)


def take(source: Path, install: Callable[[Path], object]) -> None:
    """Install it, and take it away once that is on the disk.

    Raises:
        ConfigError: it is not right, and stays, with a text beside it; or its folder can't be written: then it is not
            installed, because it would be again at each start, over whatever was changed since.
    """
    if not os.access(source.parent, os.W_OK):
        raise ConfigError(f"{source}: its folder can't be written, so it can't be taken away; mount it read-write")
    try:
        install(source)
    except ConfigError as exc:
        _log.error("boot.file_refused", file=str(source), reason=str(exc))
        _explain(source, str(exc))
        raise
    try:
        atomicfile.remove(source)
        atomicfile.remove(source.with_name(ERRORS))
    except OSError as exc:
        raise ConfigError(f"{source}: it is installed, but can't be taken away ({exc.strerror}); delete it") from exc
    _log.info("boot.file_taken", file=str(source))


def _explain(source: Path, said: str) -> None:
    """For a person at a laptop, whatever his editor: with the mark of UTF-8, and line ends of Windows."""
    lines = [line.format(name=source.name) for line in _HEAD]
    lines += [text for fault in faults(said) for text in _shown(fault)]
    data = "\ufeff" + "\r\n".join([*lines, ""])
    try:
        atomicfile.replace(source.with_name(ERRORS), data.encode(), mode=0o644)
    except OSError as exc:
        _log.error("boot.errors_not_written", reason=exc.strerror)


def _shown(fault: Fault) -> list[str]:
    place = f"第 {fault.line} 行 line {fault.line}" if fault.line else ""
    head = "  ".join(part for part in (place, fault.field) if part)
    return [*([f"* {head}"] if head else []), f"  {fault.zh}", f"  {fault.en}", ""]
