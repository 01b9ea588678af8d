"""What a person should know of a configuration though the agent can start with it."""

import os
import stat
from pathlib import Path

from agent.config import Config, console, notices
from agent.model.address import BROKER_PORTS
from agent.model.station import Match
from agent.unixuser import may, service_user
from agent.yaml.marks import full_width

_MAKE_PASSWORDS = ("alibaba", "alibaba-iot")
_MILLIMETRES = (57, 58, 76, 80, 112)


def warnings(config: Config) -> list[str]:
    """What a person should know though the agent can start: readable secrets, missing files, open lines."""
    found = [*_data_dir_warnings(config.data_dir), *_line_warnings(config)]
    if not config.printers:
        found.append("printers: there is none; orders wait in the journal until one is added")
    for at, printer in enumerate(config.printers):
        if text := width_warning(printer.width):
            found.append(f"printers[{at}].{text}")
    for at, station in enumerate(config.stations if config.printers else ()):
        if station.printer is None:
            advice = f"write for example printer: {config.printers[0].name}"
            found.append(f"stations[{at}]: {station.name} has no printer, its tickets wait; {advice}")
    found += _claimed_twice(config)
    found += _idle_stations(config)
    own = f"{config.prefix}/{config.shop}/"
    for at, mapped in enumerate(config.mappings):
        if not mapped.topic.startswith(own):
            found.append(
                f"mappings[{at}].topic: {mapped.topic} is not below {own}; may this box read it at the broker?"
            )
    found += _signature_warnings(config)
    if config.console != "off":
        found += console.warnings(config.console)
    found += notices.warnings(config.notices)
    for path in _secrets(config):
        found += [*_secret_warnings(path), *_owner_warnings(path, config.data_dir)]
    return found


def _secrets(config: Config) -> list[Path]:
    """The files that hold one, each once."""
    found: list[Path | None] = []
    if config.broker is not None:
        found += [config.broker.password_file, config.broker.key_file]
    if config.signatures is not None:
        found += [key.key_file for key in config.signatures.keys if key.algorithm == "hmac-sha256"]
    if config.console != "off":
        found += [config.console.token_file, config.console.feie.ukey_file if config.console.feie else None]
    for notice in config.notices:
        found += [notice.url_file, notice.secret_file]
    return list(dict.fromkeys(path for path in found if path is not None))


def _line_warnings(config: Config) -> list[str]:
    """Is there a cloud, and does nobody else hear what we tell it?"""
    broker = config.broker
    if broker is None:
        meant = "orders come from the shop's own network alone" if config.console != "off" else "no order can come in"
        return [f"broker: there is none: {meant}; write for example broker: {{url: mqtts://broker.example:8883}}"]
    found = []
    for name, path in (("ca_file", broker.ca_file), ("cert_file", broker.cert_file)):
        if path and not path.exists():
            found.append(f"broker.{name}: {path} is not there; put it there before the agent starts")
    if broker.preset in _MAKE_PASSWORDS and broker.password_source() == "none":
        advice = "write the file that it is in, unless the service has it as the credential broker-password"
        found.append(f"broker.password_file: {broker.preset} wants a password that is made of a secret; {advice}")
    if broker.username and not broker.address.tls and not _is_near(broker.address.host):
        found.append("broker.url: the password crosses the network in clear text; use mqtts://")
    if broker.address.port == BROKER_PORTS["mqtts"] and not broker.address.tls:
        found.append(
            f"broker.url: {broker.address.port} is the port of encrypted lines; write mqtts://, or 1883 for a plain one"
        )
    return found


def _signature_warnings(config: Config) -> list[str]:
    """Topics on which nothing will ever be taken."""
    if config.signatures is None:
        return []
    found = []
    for at, mapped in enumerate(config.mappings):
        if config.signatures.require and not mapped.unsigned:
            advice = "write unsigned: true there, if they can't be"
            found.append(f"mappings[{at}]: signatures are required, and a platform's own messages have none; {advice}")
    return found


def width_warning(width: int) -> str:
    """What to say of a width that is the paper's in millimetres, most likely; else ""."""
    if width not in _MILLIMETRES:
        return ""
    return f"width: {width} is in characters, not millimetres; write 48 for 80 mm paper, 32 for 58 mm"


def _claimed_twice(config: Config) -> list[str]:
    """The words by which two stations claim the same dishes: only the first one ever gets them."""
    first: dict[tuple[str, str], int] = {}
    found = []
    for at, station in enumerate(config.stations):
        for kind in ("sku", "category", "name"):
            for word in getattr(station.match, kind) if station.shows == "own" else ():
                if slip := full_width(word):
                    found.append(f"stations[{at}].match.{kind}: '{word}' is one word with {slip}")
                owner = first.setdefault((kind, word), at)
                if owner != at:
                    text = f"stations[{owner}] has '{word}' too and gets those dishes; leave it out at one of them"
                    found.append(f"stations[{at}].match.{kind}: {text}")
    return found


def _idle_stations(config: Config) -> list[str]:
    """Where the others say what they make, one that doesn't gets nothing, unless it takes the rest."""
    cooks = [(at, station) for at, station in enumerate(config.stations) if station.shows == "own"]
    if not any(station.match != Match() for _, station in cooks) or not any(station.default for _, station in cooks):
        return []
    return [
        f"stations[{at}]: no dish comes here by itself, only those that an order sends to {station.name}; write a match"
        for at, station in cooks
        if station.match == Match() and not station.default
    ]


def data_dir_unusable(data_dir: Path, reason: str) -> str:
    """What to say of a data directory that can't be made or written."""
    advice = "write a folder that this user may write, such as data_dir: ./data"
    return f"data_dir: {data_dir} can't be used ({reason.lower()}); {advice}"


def _data_dir_warnings(data_dir: Path) -> list[str]:
    """Could this user make it or write in it? Nothing is made here."""
    lock = data_dir / "lock"
    if os.access(lock, os.F_OK) and not os.access(lock, os.R_OK | os.W_OK):
        return [data_dir_unusable(lock, "permission denied")]
    nearest = next(folder for folder in (data_dir, *data_dir.absolute().parents) if os.access(folder, os.F_OK))
    if not nearest.is_dir():
        return [data_dir_unusable(data_dir, "not a directory")]
    if os.statvfs(nearest).f_flag & os.ST_RDONLY:
        return [data_dir_unusable(data_dir, "the disk is read-only")]
    if not os.access(nearest, os.W_OK | os.X_OK):
        return [data_dir_unusable(data_dir, "permission denied")]
    return []


def _owner_warnings(path: Path, data_dir: Path) -> list[str]:
    """Root reads everything: what he looks at is whether the agent's user does, too."""
    user = service_user(data_dir)
    try:
        if os.geteuid() != 0 or may(user, path):
            return []
    except OSError:  # the other warning says it
        return []
    return [
        f"{path}: the service's user {user.name} can't read it; run chown -h {user.name} {path} && chmod 600 {path}"
    ]


def _secret_warnings(path: Path) -> list[str]:
    try:
        mode = path.stat().st_mode
    except OSError as exc:
        return [f"{path}: it can't be looked at ({exc.strerror}); the service's user must be able to read it"]
    if mode & (stat.S_IRWXO | stat.S_IWGRP):
        return [f"{path}: everybody on this machine can read it; run chmod 600 {path}"]
    return []


def _is_near(host: str) -> bool:
    return host in ("localhost", "127.0.0.1", "::1")
