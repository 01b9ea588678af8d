"""The configuration's file, read: every error is found at once, and says where it is and what to write instead."""

from pathlib import Path

import msgspec
import yaml

from agent.config import console, line, notices, rules, signatures
from agent.config.settings import Config
from agent.errors import ConfigError
from agent.model.link import Link, parse_link
from agent.yaml.marks import Reading, mark_of, parse
from agent.yaml.structs import StructReader

_MAX_FILE_BYTES = 1 << 20
_ADVICE = {
    "broker.password": "no password in this file; write it into its own file and name that as password_file",
    "broker.host": "there is no such setting; write url: mqtts://HOST:PORT",
    "broker.port": "there is no such setting; write url: mqtts://HOST:PORT",
    "broker.tls": "there is no such setting; write url: mqtts://HOST for an encrypted line",
}


def load(path: Path | str, *, closely: bool = False, data: bytes | None = None) -> Config:
    """Read the file, or `data` as if it stood there. Relative paths in it are taken from its own folder. `closely`
    finds fault also with what the agent can print without, such as a template that is not there.

    Raises ConfigError with every error, one per line, each as `file:line:col: field: what; what instead`.
    """
    path = Path(path)
    reading = Reading(str(path))
    root = parse(read_file(path) if data is None else data, reading)
    config: Config | None = None
    if not reading.lines():
        folder = path.absolute().parent
        parsers = {Link: parse_link, Path: lambda text: folder / Path(text).expanduser()}
        config = StructReader(reading, parsers, _ADVICE).read(root, Config)
        rules.check(reading, closely=closely)
        line.check(reading)
        signatures.check(reading)
        console.check(reading)
        notices.check(reading)
    if reading.lines():
        raise ConfigError("\n".join(reading.lines()))
    assert isinstance(config, Config)
    beside = path.absolute().parent / "templates"
    return msgspec.structs.replace(config, templates=beside) if not config.templates and beside.is_dir() else config


def place_of(name: str, path: Path) -> str:
    """`file:line:col` of a setting at the top of the file; the file alone where it is not written."""
    try:
        root = parse(read_file(path), Reading(str(path)))
    except ConfigError:
        root = None
    for key, value in root.value if isinstance(root, yaml.MappingNode) else ():
        if key.value == name:
            mark = mark_of(value.start_mark)
            return f"{path}:{mark.line}:{mark.column}"
    return str(path)


def read_file(path: Path, option: str = "--config") -> bytes:
    """The bytes of a configuration, which `option` named. Raises ConfigError with what to do when it can't be read."""
    try:
        with path.open("rb") as file:
            data = file.read(_MAX_FILE_BYTES + 1)
    except FileNotFoundError as exc:
        begin = ", or begin: sudo shop-agent setup" if option == "--config" else ""
        raise ConfigError(f"{path}: there is no such file; name another with {option} FILE{begin}") from exc
    except PermissionError as exc:
        raise ConfigError(f"{path}: this user may not read it; run as the service's user, or chmod it") from exc
    except OSError as exc:
        raise ConfigError(f"{path}: it can't be read ({exc.strerror}); name a YAML file with {option} FILE") from exc
    if len(data) > _MAX_FILE_BYTES:
        raise ConfigError(f"{path}: it is larger than 1 MiB, this can't be a configuration; name another file")
    return data
