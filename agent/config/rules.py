"""What must hold between settings; what is possible but unwise is in warnings.

The rules look at values by path, so that they also speak when another setting could not be read.
"""

import os
import zoneinfo
from collections.abc import Callable
from pathlib import Path
from typing import Any

from agent import templates
from agent.errors import ConfigError
from agent.model.address import parse_broker_url
from agent.model.profile import PROFILES
from agent.yaml.marks import Reading
from agent.yaml.structs import did_you_mean

MAX_TOPIC = 64
MAX_COPIES = 9
NO_STATIONS_OWN = frozenset({"alarm", "cancel", "changes", "summary", "welcome"})
"""Templates that the agent takes by itself, for what is no order or no whole one."""
_CHINAS_TIME = "Asia/Shanghai"
_CHINAS_CITIES = ("beijing", "peking", "shenzhen", "guangzhou", "hangzhou", "chengdu", "wuhan", "tianjin", "nanjing")
_CHINAS_OTHERS = (
    "china",
    "chongqing",
    "chungking",
    "harbin",
    "prc",
    "cst",
    "utc+8",
    "gmt+8",
    "+08:00",
    "+8",
    "utc+08:00",
)
"""What people write for a time zone that has one name in the tz database, besides cities that are none there."""
_TLS_FILES = ("broker.ca_file", "broker.cert_file", "broker.key_file")


def check(reading: Reading, *, closely: bool = False) -> None:
    """Add every broken rule to the reading's problems; `closely`: also of those without which tickets still print."""
    for rule in (*_RULES, *(_CLOSE_RULES if closely else ())):
        rule(reading)


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
        reading.add("timezone", f"there is no time zone '{name}'; {_zone_meant(name)}")


def _zone_meant(name: str) -> str:
    known = zoneinfo.available_timezones()
    if not known:
        return "install the package tzdata"
    if name.lower().rpartition("/")[2] in (*_CHINAS_CITIES, *_CHINAS_OTHERS):
        return f"did you mean '{_CHINAS_TIME}'?"
    return did_you_mean(name, known) or f"write for example {_CHINAS_TIME}"


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


def _mapping_is_there(reading: Reading) -> None:
    for path, file in reading.column("mappings[].file"):
        if not os.access(file, os.F_OK):
            reading.add(path, f"there is no file {file}, or not for this user; write its path from this file's folder")


def _templates_are_there(reading: Reading) -> None:
    """Only the files' names are looked at: whether a template works is tried elsewhere."""
    named = reading.values.get("templates")
    folder = named or Path(reading.file).absolute().parent / "templates"
    if named is not None and not folder.is_dir():
        reading.add("templates", f"there is no folder {folder}; make it, or leave this out")
    own = (file.name for file in folder.glob("*.j2")) if folder.is_dir() else ()
    names = {file.removesuffix(".j2") for file in (*templates.read(), *own) if not file.startswith("_")}
    fit = sorted(names - NO_STATIONS_OWN)
    for path, name in reading.column("stations[].template"):
        if name in NO_STATIONS_OWN:
            reading.add(path, f"'{name}' is no station's; the agent takes it by itself. There are: {', '.join(fit)}")
        elif name not in names:
            guess = did_you_mean(name, fit) or f"there are: {', '.join(fit)}"
            reading.add(path, f"there is no template '{name}'; {guess}")


def _whole_orders_match_nothing(reading: Reading) -> None:
    for path, shows in reading.column("stations[].shows"):
        match = path.replace(".shows", ".match")
        if shows == "all" and match in reading.values:
            reading.add(match, "it has no effect with shows: all, which prints every dish; leave it out")


_CLOSE_RULES = (_templates_are_there, _whole_orders_match_nothing)
_RULES: tuple[Callable[[Reading], None], ...] = (
    _topics_fit,
    _broker_url_is_one,
    _certificate_has_key,
    _timezone_exists,
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
    _mapping_is_there,
)
