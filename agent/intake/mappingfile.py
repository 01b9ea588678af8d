"""Mapping files: YAML in which every expression is checked as it is read, and the fixtures that lie beside it.

`meituan.yaml` has its fixtures in the folder `meituan`: CASE.input.json is a payload as the platform sends it,
CASE.order.json what must become of it.
"""

import zoneinfo
from pathlib import Path
from typing import Annotated, Any

import msgspec

import agent
from agent.config import Config
from agent.errors import ConfigError
from agent.intake import functions
from agent.intake.expressions import Expression, parse_expression
from agent.intake.mapping import EventFields, Mapping, OrderFields
from agent.intake.unread import ignored
from agent.yaml.marks import Reading, parse
from agent.yaml.structs import StructReader, did_you_mean

SHIPPED = Path(agent.__file__).parent / "mappings"
_MOST_BYTES = 256 * 1024
_NO_PATH = "write it as name.name, without brackets"
_ADVICE = {
    "items": "dishes belong to the order; write order: and items: below it",
    "event.rev": "the revision belongs to the order; write rev: under order:",
    "order.items.modifiers": "there is no such setting; write mods:",
    "order.items.quantity": "there is no such setting; write qty:",
}


class Contents(msgspec.Struct, frozen=True, kw_only=True):
    """What may stand in the file. `zone` is that of times that say none; `ignore` are paths without words for the
    kitchen.
    """

    about: str = ""
    channel: Annotated[str, msgspec.Meta(max_length=100, examples=["meituan"])]
    zone: str = ""
    unpack: list[Annotated[str, msgspec.Meta(pattern=r"^[^\[\]*@.]+(\.[^\[\]*@.]+)*$", extra={"write": _NO_PATH})]] = []
    root: Expression | None = None
    ignore: list[str] = []
    event: EventFields = EventFields()
    order: OrderFields


class MappingFile(msgspec.Struct, frozen=True):
    """A mapping, and where each of its expressions stands: `path:line`, and the field that it fills. `ignores` are its
    ignored paths, and the line of each.
    """

    path: Path
    about: str
    mapping: Mapping
    places: dict[Expression, tuple[str, str]]
    ignores: dict[str, str] = {}

    @property
    def fixtures(self) -> list[Path]:
        """The payloads that lie beside it, by name."""
        return sorted((self.path.parent / self.path.stem).glob("*.input.json"))


def shipped() -> list[str]:
    """The names of the mappings that come with the agent."""
    return sorted(path.stem for path in SHIPPED.glob("*.yaml"))


def find(name: str) -> Path:
    """The file of a shipped mapping by its name, or a path. Raises ConfigError."""
    if name in shipped():
        return SHIPPED / f"{name}.yaml"
    if Path(name).suffix in (".yaml", ".yml"):
        return Path(name)
    guess = did_you_mean(name, shipped()) or f"there are: {', '.join(shipped())}"
    raise ConfigError(f"there is no mapping '{name}'; {guess}; or name a file that ends with .yaml")


def load_all(config: Config) -> dict[str, MappingFile]:
    """The mappings of a configuration, by topic.

    Raises:
        ConfigError: every fault of every file, one a line.
    """
    found, faults = {}, []
    for entry in config.mappings:
        try:
            path = entry.file or find(entry.name or "")
            found[entry.topic] = load(path, entry.channel, config.timezone)
        except ConfigError as exc:
            faults.append(str(exc))
    if faults:
        raise ConfigError("\n".join(dict.fromkeys(faults)))
    return found


def load(path: Path, channel: str = "", zone: str = "") -> MappingFile:
    """Read a mapping file. `channel` stands in for the file's: two sites of one platform are two channels. `zone` is
    the shop's, for a file that names none.

    Raises:
        ConfigError: every fault, one a line, as `file:line:col: field: what; what instead`.
    """
    reading = Reading(str(path))
    root = parse(_read(path), reading)
    contents: Any = None
    if not reading.lines():
        contents = StructReader(reading, {Expression: parse_expression}, _ADVICE).read(root, Contents)
        _check(reading)
    if reading.lines():
        raise ConfigError("\n".join(reading.lines()))
    assert isinstance(contents, Contents)
    mapping = Mapping(
        channel=channel or contents.channel,
        event=contents.event,
        order=contents.order,
        zone=functions.zone(contents.zone or zone) if contents.zone or zone else None,
        unpack=tuple(tuple(place.split(".")) for place in contents.unpack),
        root=contents.root,
        ignore=ignored(contents.ignore),
    )
    places = {
        value: (f"{path}:{reading.marks[field].line}", field)
        for field, value in reading.values.items()
        if isinstance(value, Expression)
    }
    ignores = {text: f"{path}:{reading.marks[field].line}" for field, text in reading.column("ignore[]")}
    return MappingFile(path, contents.about, mapping, places, ignores)


def _check(reading: Reading) -> None:
    zone = str(reading.values.get("zone") or "")
    try:
        if zone:
            functions.zone(zone)
    except ValueError as exc:
        known = zoneinfo.available_timezones()
        guess = did_you_mean(zone, known) if known else "install the package tzdata"
        reading.add("zone", f"{exc}; {guess or 'write for example Asia/Shanghai'}")
    for field in ("order.items", "order"):
        if reading.values.get(field) == []:
            reading.add(field, "an order has dishes; write each:, name: and qty: below it")


def _read(path: Path) -> bytes:
    try:
        data = path.read_bytes()
    except OSError as exc:
        raise ConfigError(f"{path}: the mapping can't be read ({exc.strerror}); check its path and owner") from exc
    if len(data) > _MOST_BYTES:
        raise ConfigError(f"{path}: it is larger than 256 KiB, this can't be a mapping; name another file")
    return data
