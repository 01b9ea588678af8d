"""What the doctor knows before the first check: the configuration, what the running agent says, and who it runs as."""

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from agent.clock import Clock, SystemClock, is_synchronised
from agent.config import Config, Printer, load
from agent.config.lastgood import load_or_last
from agent.control import ask
from agent.errors import AgentNotRunning, CommandRefused, ConfigError
from agent.overview.state import Overview
from agent.printers.link import Connector
from agent.unixuser import User, acting_as, service_user

ASK_S = 5.0
_LINES = 500


class Roots(msgspec.Struct, frozen=True):
    """Where the machine is looked at; tests have folders of their own."""

    sys: Path = Path("/sys")
    logs: Path = Path("/var/log/journal")


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """`config` is None where the file can't be used, and `faults` say why; where it can, they are what the agent prints
    without. `spoilt`: the file is wrong, and `config` is the last good one, which the agent uses. `overview` is the
    running agent's word, None where `silent` says why there is none; `alone`: no agent works here, so that its printers
    may be opened. `refused` is why the broker would not take what the agent said. `barred`: whoever asks is neither
    root nor the agent's user, and may not look. `option` names the file behind a command, where it must be named.
    `password` is the broker's, as the agent's user reads it, and `unread` why he can't: what only root may read is not
    for a broker that the configuration names.
    """

    path: Path
    config: Config | None
    faults: list[str]
    spoilt: bool = False
    overview: Overview | None
    silent: str
    alone: bool
    refused: str
    barred: bool = False
    option: str = ""
    password: str | None = None
    unread: str = ""
    user: User
    clock: Clock
    connect: Callable[[Printer], Connector]
    synchronised: Callable[[], bool] = is_synchronised
    roots: Roots = Roots()


def open_case(path: Path, connect: Callable[[Printer, Path], Connector], **more: Any) -> Case:
    """Read the file, and ask the agent that runs with it. Blocks for some seconds at most."""
    config, faults, spoilt, barred = _read(path)
    folder = config.data_dir if config is not None else Path()
    overview, silent, alone, refused = (None, "", True, "") if config is None else _ask(folder)
    user = service_user(folder if config is not None else None)
    password, unread = _password(config, user)
    return Case(
        path=path,
        config=config,
        faults=faults,
        spoilt=spoilt,
        overview=overview,
        silent=silent,
        alone=alone,
        refused=refused,
        barred=barred or (config is not None and _is_barred(folder)),
        password=password,
        unread=unread,
        user=user,
        clock=more.pop("clock", SystemClock()),
        connect=lambda printer: connect(printer, folder),
        **more,
    )


def _read(path: Path) -> tuple[Config | None, list[str], bool, bool]:
    """Configuration, faults, is it the last good one; and may the file not be read at all?"""
    try:
        return load(path, closely=True), [], False, False
    except ConfigError as exc:
        faults, closed = str(exc).splitlines(), isinstance(exc.__cause__, PermissionError)
    try:
        config, wrong = load_or_last(path)
    except ConfigError:
        return None, [] if closed else faults, False, closed
    return config, faults, bool(wrong), False


def _password(config: Config | None, user: User) -> tuple[str | None, str]:
    """Before there are the checks' threads: each of them would be this user meanwhile."""
    if config is None or config.broker is None:
        return None, ""
    try:
        with acting_as(user):
            return config.broker.password(), ""
    except (OSError, ConfigError) as exc:
        return None, str(exc)


def _is_barred(folder: Path) -> bool:
    try:
        return os.geteuid() not in (0, folder.stat().st_uid)
    except PermissionError:
        return True
    except OSError:  # it is made when the agent starts
        return False


def _ask(folder: Path) -> tuple[Overview | None, str, bool, str]:
    try:
        told = msgspec.convert(ask(folder, {"do": "status"}, ASK_S), Overview)
        lines = ask(folder, {"do": "tail", "last": _LINES}, ASK_S)["lines"]
    except AgentNotRunning as exc:
        return None, str(exc), "not running" in str(exc), ""
    except (CommandRefused, msgspec.DecodeError) as exc:  # an older one
        return None, str(exc), False, ""
    return told, "", False, _refused(lines)


def _refused(lines: Sequence[Mapping[str, Any]]) -> str:
    """The newest word of the broker on what the agent published and it would not take."""
    found = [line["fields"].get("reason", "") for line in lines if line["event"] == "report.refused"]
    return str(found[-1]) if found else ""
