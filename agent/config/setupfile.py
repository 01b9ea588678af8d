"""A configuration that was written elsewhere, put to use: by `setup --from FILE`, or from the boot partition.

It may carry what a configuration must not, under `secrets`: that goes into files of its own, and is not installed.
"""

import os
import pwd
from collections.abc import Callable
from pathlib import Path
from typing import Any

from agent.config import Config, load, read_file, write
from agent.config.pairing import CERTIFICATE, PASSWORD
from agent.errors import ConfigError
from agent.unixuser import SERVICE_USER
from agent.yaml.edit import edit as edit_text

SECRETS = "secrets"
SYSTEM_FOLDER = Path("/etc/shop-agent")
_FILES = {"broker_password": ("password_file", PASSWORD), "broker_ca": ("ca_file", CERTIFICATE)}
"""What `secrets` may hold: the setting of `broker` that names its file, and what kind of file it is."""


def install(source: Path, target: Path, *, by: str, look: Callable[[Config], list[str]]) -> Config:
    """Put `source` in the place of the configuration `target`, its secrets beside it; returns what it means. `look`
    says what is wrong with files that a configuration names.

    Raises:
        ConfigError: with every fault, by the lines of `source`. The configuration is as it was.
    """
    text = _text(source)
    secrets: dict[str, str] = {}

    def without(tree: Any) -> None:
        secrets.update(_secrets(tree.pop(SECRETS, None), source))

    plain = edit_text(text, without, str(source)).text
    config = _checked(plain, source, target, skipped=_Skipped(text, plain))
    if faults := look(config):
        raise ConfigError("\n".join(faults))
    named = _named(secrets, config, source)
    if named:
        plain = edit_text(plain, lambda tree: tree["broker"].update(named), str(source)).text
    load(target, data=plain.encode())
    prepare_folder(target)
    beside = {named[_FILES[name][0]]: text.rstrip("\r\n").encode() + b"\n" for name, text in secrets.items()}
    write.install(target, plain.encode(), by=by, beside=beside)
    return config


def prepare_folder(target: Path) -> None:
    """The folder of a configuration, which the service may write: what root makes there belongs to the service.

    Raises:
        ConfigError: it can't be made.
    """
    folder = target.parent
    try:
        new = not folder.exists()
        folder.mkdir(parents=True, exist_ok=True)
        if os.geteuid() == 0 and (new or folder == SYSTEM_FOLDER):
            user = pwd.getpwnam(SERVICE_USER)
            os.chown(folder, user.pw_uid, user.pw_gid)
    except KeyError:
        pass  # no service on this machine
    except OSError as exc:
        raise ConfigError(f"{folder}: it can't be made ({exc.strerror}); run this with sudo") from exc


class _Skipped:
    """The lines that `secrets` took: those behind them are told by the numbers that they have in the file."""

    def __init__(self, before: str, after: str) -> None:
        old, new = before.splitlines(), after.splitlines()
        self.count = len(old) - len(new)
        self.first = next((at for at, (one, other) in enumerate(zip(old, new, strict=False), 1) if one != other), None)

    def __call__(self, line: int) -> int:
        return line + self.count if self.first is not None and line >= self.first else line


def _text(source: Path) -> str:
    data = read_file(source, "--from")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        load(source, data=data)  # names the place
        raise


def _secrets(found: Any, source: Path) -> dict[str, str]:
    if found is None:
        return {}
    known = isinstance(found, dict) and not set(found) - set(_FILES)
    if not known or not all(isinstance(text, str) for text in found.values()):
        raise ConfigError(f"{source}: {SECRETS}: it may hold {' and '.join(_FILES)}, and nothing else")
    return {name: str(text) for name, text in found.items()}


def _named(secrets: dict[str, str], config: Config, source: Path) -> dict[str, str]:
    """The settings that name the secrets' new files. Raises ConfigError where one is named already."""
    named = {}
    for name in secrets:
        setting, file = _FILES[name]
        if config.broker is None or getattr(config.broker, setting) is not None:
            why = "there is no broker" if config.broker is None else f"broker.{setting} names its file already"
            raise ConfigError(f"{source}: {SECRETS}.{name}: {why}; keep one of them")
        named[setting] = write.fresh(file)
    return named


def _checked(text: str, source: Path, target: Path, skipped: _Skipped) -> Config:
    """As it will be in its place; errors are told by the place where a person can mend them."""
    try:
        return load(target, closely=True, data=text.encode())
    except ConfigError as exc:
        lines = []
        for said in str(exc).splitlines():
            place = said.removeprefix(f"{target}:")
            number, colon, rest = place.partition(":")
            here = f"{skipped(int(number))}{colon}{rest}" if number.isdigit() else place
            lines.append(f"{source}:{here}" if place != said else said)
        raise ConfigError("\n".join(lines)) from None
