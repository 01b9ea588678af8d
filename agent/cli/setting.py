"""What a preview is set with: paper, language, zone, templates and station, from the options and a configuration."""

from datetime import UTC, datetime, tzinfo
from pathlib import Path
from zoneinfo import ZoneInfo

import click
import msgspec

from agent.cli.options import configured
from agent.clock import SystemClock
from agent.config import Config, load
from agent.model.order import Order
from agent.model.station import Station
from agent.model.ticket import Language, Portion
from agent.tickets.routing import Routed, route

_PASS = "expo"


class Setting(msgspec.Struct, frozen=True):
    """`routed`: the ticket is that of one station of a configuration, with its share of the order alone."""

    here: Station
    stations: tuple[Station, ...]
    routed: bool = False
    width: int = 48
    charset: str = "gbk"
    language: Language = Language.BOTH
    zone: tzinfo = UTC
    templates: Path | None = None
    ready_code: bool = False

    def now(self) -> datetime:
        """This moment, in the shop's zone."""
        return SystemClock().utc().astimezone(self.zone)

    def shares(self, order: Order | None) -> Routed:
        """Which station makes what of an order; of none, nobody anything."""
        if order is None:
            return {}
        return route(order, self.stations) if self.routed else {self.here.name: list(map(Portion, order.items))}


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """The options as they were given; None for those that were not."""

    config: Path | None
    printer: str | None
    station: str | None
    template: str | None
    width: int | None
    language: str | None
    timezone: str | None
    templates: Path | None


def settle(asked: Asked) -> Setting:
    """What is asked for, else the configuration's, else what is usual. Raises ConfigError and click's errors."""
    config = None if asked.config is None else load(asked.config)
    if config is None and asked.printer is not None:
        text = "--printer 还要 --config 文件 --printer is a name in a configuration; give --config FILE too"
        raise click.UsageError(text)
    here, stations = _stations(asked, config)
    name = asked.printer or (here.printer if asked.station is not None else None)
    paper = None if config is None or name is None else configured(config, name, "--printer")
    return Setting(
        here=here,
        stations=stations,
        routed=config is not None and asked.station is not None,
        width=asked.width or (paper.width if paper else 48),
        charset=paper.charset if paper else "gbk",
        language=Language(asked.language or (config.language if config else Language.BOTH)),
        zone=_zone(asked.timezone, config),
        templates=asked.templates or (config.templates if config else None),
        ready_code=config is not None and config.printing.ready_code,
    )


def _stations(asked: Asked, config: Config | None) -> tuple[Station, tuple[Station, ...]]:
    """The station whose ticket it is, with the template that was asked for; and all of them."""
    if config is None or asked.station is None:
        template = asked.template or "kitchen"
        maker = Station(asked.station or "kitchen", default=True, template=template)
        if template != _PASS:
            return maker, (maker,)
        counter = Station(_PASS, template=template, shows="all")
        return counter, (maker, counter)
    stations = {station.name: station for station in config.effective_stations()}
    if asked.station not in stations:
        there = ", ".join(stations)
        text = f"没有档口 {asked.station}，现有 {there} there is no station '{asked.station}'; there are: {there}"
        raise click.BadParameter(text, param_hint="--station")
    here = stations[asked.station]
    if asked.template is not None:
        here = stations[here.name] = msgspec.structs.replace(here, template=asked.template)
    return here, tuple(stations.values())


def _zone(name: str | None, config: Config | None) -> tzinfo:
    """The shop's zone, else this machine's."""
    name = name or (config.timezone if config else "")
    try:
        return ZoneInfo(name) if name else datetime.now().astimezone().tzinfo or UTC
    except (KeyError, ValueError, OSError) as exc:
        text = f"没有时区 {name}，如 Asia/Shanghai there is no time zone '{name}'; write for example Asia/Shanghai"
        raise click.BadParameter(text, param_hint="--timezone") from exc
