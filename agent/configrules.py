"""What must hold between settings, and what is possible but unwise.

The rules look at values by path, so that they also speak when another setting could not be read.
"""

import os
import stat
import zoneinfo
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent.errors import ConfigError
from agent.model.address import parse_broker_url, parse_host_port
from agent.model.profile import PROFILES
from agent.yamlmarks import Reading
from agent.yamlstruct import did_you_mean

if TYPE_CHECKING:
    from agent.config import Config

MAX_TOPIC = 64
MAX_COPIES = 9
_TLS_FILES = ("broker.ca_file", "broker.cert_file", "broker.key_file")


def check(reading: Reading) -> None:
    """Add every broken rule to the reading's problems."""
    for rule in _RULES:
        rule(reading)


def warnings(config: "Config") -> list[str]:
    """What a person should know though the agent can start: readable secrets, missing files, open lines."""
    broker = config.broker
    found = _data_dir_warnings(config.data_dir)
    found += _secret_warnings(broker.password_file)
    for name, path in (("ca_file", broker.ca_file), ("cert_file", broker.cert_file)):
        if path and not path.exists():
            found.append(f"broker.{name}: {path} is not there; put it there before the agent starts")
    found += _secret_warnings(broker.key_file)
    if broker.username and not broker.address.tls and not _is_near(broker.address.host):
        found.append("broker.url: the password crosses the network in clear text; use mqtts://")
    if not config.printers:
        found.append("printers: there is none; orders wait in the journal until one is added")
    if config.console != "off":
        found.append("console: this version does not serve it yet; the setting is kept for later")
    return found


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
    if not os.access(nearest, os.W_OK | os.X_OK):
        return [data_dir_unusable(data_dir, "permission denied")]
    return []


def _secret_warnings(path: Path | None) -> list[str]:
    if path is None:
        return []
    try:
        mode = path.stat().st_mode
    except OSError as exc:
        return [f"{path}: it can't be looked at ({exc.strerror}); the service's user must be able to read it"]
    if mode & (stat.S_IRWXO | stat.S_IWGRP):
        return [f"{path}: everybody on this machine can read it; run chmod 600 {path}"]
    return []


def _is_near(host: str) -> bool:
    return host in ("localhost", "127.0.0.1", "::1")


def _topics_fit(reading: Reading) -> None:
    shop, agent = reading.values.get("shop"), reading.values.get("agent", "box1")
    prefix = reading.values.get("prefix", "shops")
    if shop is None:
        return
    topic = f"{prefix}/{shop}/up/{agent}/request"
    if len(topic) > MAX_TOPIC:
        text = f"the topic {topic} has {len(topic)} characters, {MAX_TOPIC} is the most"
        reading.add("shop", f"{text}; shorten shop, agent or prefix")


def _broker_url_is_one(reading: Reading) -> None:
    url = reading.values.get("broker.url")
    if url is None:
        return
    try:
        address = parse_broker_url(url)
    except ConfigError as exc:
        reading.add("broker.url", str(exc))
        return
    for path in _TLS_FILES:
        if path in reading.values and not address.tls:
            reading.add(path, "it has no effect on the open line of broker.url; write mqtts:// there")


def _certificate_has_key(reading: Reading) -> None:
    for one, other in (("cert_file", "key_file"), ("key_file", "cert_file")):
        if f"broker.{one}" in reading.values and f"broker.{other}" not in reading.values:
            reading.add(f"broker.{one}", f"it needs the other half; write broker.{other} too")


def _timezone_exists(reading: Reading) -> None:
    name = reading.values.get("timezone")
    if name is None:
        return
    try:
        zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        known = zoneinfo.available_timezones()
        guess = did_you_mean(name, known) if known else "install the package tzdata"
        reading.add("timezone", f"there is no time zone '{name}'; {guess or 'write for example Asia/Shanghai'}")


def _console_listens(reading: Reading) -> None:
    listen = reading.values.get("console.listen")
    if listen is None:
        return
    try:
        parse_host_port(listen, 8480)
    except ConfigError as exc:
        reading.add("console.listen", str(exc))


def _names_differ(reading: Reading) -> None:
    for column in ("printers[].name", "stations[].name"):
        _differ(reading, column, lambda name: name, "has this name too; give each its own")


def _links_differ(reading: Reading) -> None:
    _differ(reading, "printers[].link", lambda link: link.device, "leads to the same device; keep one of them")


def _differ(reading: Reading, column: str, key: Callable[[Any], str], text: str) -> None:
    seen: dict[str, str] = {}
    for path, value in reading.column(column):
        first = seen.setdefault(key(value), path)
        if first != path:
            where = f"{first.partition('.')[0]} on line {reading.marks[first].line}"
            reading.add(path, f"{where} {text}")


def _printers_are_known(reading: Reading) -> None:
    names = [name for _, name in reading.column("printers[].name")]
    for column in ("stations[].printer", "stations[].backup"):
        for path, name in reading.column(column):
            if name not in names:
                there = f"there are: {', '.join(names)}" if names else "add it under printers"
                reading.add(path, f"there is no printer '{name}'; {did_you_mean(name, names) or there}")


def _backup_is_another(reading: Reading) -> None:
    for path, name in reading.column("stations[].backup"):
        if reading.values.get(path.replace(".backup", ".printer")) == name:
            reading.add(path, "it is the station's own printer; name another one, or leave it out")


def _one_default(reading: Reading) -> None:
    chosen = [path for path, value in reading.column("stations[].default") if value]
    for path in chosen[1:]:
        reading.add(path, f"line {reading.marks[chosen[0]].line} has the default station already; keep one")


def _somebody_cooks(reading: Reading) -> None:
    """A station that shows the whole order makes nothing."""
    shows = {path.rpartition(".")[0]: value for path, value in reading.column("stations[].shows")}
    for path, value in reading.column("stations[].default"):
        if value and shows.get(path.rpartition(".")[0]) == "all":
            reading.add(path, "a station with shows: all makes nothing; give default: true to one that cooks")
    names = reading.column("stations[].name")
    if names and all(shows.get(path.rpartition(".")[0]) == "all" for path, _ in names):
        reading.add(names[0][0], "every station has shows: all, nobody cooks; leave it out at one of them")


def _extras_are_known(reading: Reading) -> None:
    """A command that a printer does not know leaks text onto its paper; and no kitchen opens the till."""
    profiles = {path.rpartition(".")[0]: name for path, name in reading.column("printers[].profile")}
    roles = {path.rpartition(".")[0]: role for path, role in reading.column("printers[].role")}
    for path, wanted in reading.column("printers[].beep"):
        profile = PROFILES[profiles.get(path.rpartition(".")[0], "generic")]
        if wanted and profile.buzzer == "none":
            with_buzzer = ", ".join(name for name, known in PROFILES.items() if known.buzzer != "none")
            reading.add(path, f"profile {profile.name} has no buzzer that we know; name the family: {with_buzzer}")
    for path, wanted in reading.column("printers[].drawer"):
        printer = path.rpartition(".")[0]
        if wanted and roles.get(printer, "kitchen") != "counter":
            reading.add(path, "a kitchen printer never opens the drawer; write role: counter, or leave drawer out")
        elif wanted and PROFILES[profiles.get(printer, "generic")].drawer is None:
            with_drawer = ", ".join(name for name, known in PROFILES.items() if known.drawer is not None)
            reading.add(path, f"the profile has no drawer that we know; name the family: {with_drawer}")


def _copies_are_few(reading: Reading) -> None:
    for path, copies in reading.column("stations[].copies"):
        if not 1 <= copies <= MAX_COPIES:
            reading.add(path, f"{copies} is out of range; write a number from 1 to {MAX_COPIES}")


def _mapped_topics_differ(reading: Reading) -> None:
    _differ(reading, "mappings[].topic", lambda topic: topic, "has this topic too; give each its own")
    root = f"{reading.values.get('prefix', 'shops')}/{reading.values.get('shop')}/"
    own = (f"{root}dn/order", f"{root}dn/cmd/", f"{root}dn/replay/", f"{root}up/")
    for path, topic in reading.column("mappings[].topic"):
        if topic == own[0] or topic.startswith(own[1:]):
            reading.add(path, f"our own messages come there; write another, such as {root}dn/meituan")


def _mapping_is_named(reading: Reading) -> None:
    named = {path.rpartition(".")[0] for path, name in reading.column("mappings[].name") if name}
    in_files = {path.rpartition(".")[0] for path, _ in reading.column("mappings[].file")}
    entries = [path.rpartition(".")[0] for path, _ in reading.column("mappings[].topic")]
    for entry in entries:
        if entry in named and entry in in_files:
            reading.add(f"{entry}.file", "name says which mapping already; keep one of them")
        elif entry not in named and entry not in in_files:
            reading.add(entry, "no mapping is named; write for example name: meituan, or file: ./own.yaml")


_RULES: tuple[Callable[[Reading], None], ...] = (
    _topics_fit,
    _broker_url_is_one,
    _certificate_has_key,
    _timezone_exists,
    _console_listens,
    _names_differ,
    _links_differ,
    _printers_are_known,
    _backup_is_another,
    _one_default,
    _somebody_cooks,
    _copies_are_few,
    _extras_are_known,
    _mapped_topics_differ,
    _mapping_is_named,
)
