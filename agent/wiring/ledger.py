"""The journal, brought in line with what else is true: the configuration, an update, and what is kept for how long."""

from collections.abc import Collection

from agent import log
from agent.config import Config
from agent.journal import notes, notices, renames, routes
from agent.journal.file import Tx
from agent.journal.retention import forget_cloud, prune
from agent.update import back as updates
from agent.update.tell import follow as follow_updates

_log = log.get("app")


def prepare(tx: Tx, config: Config, file_wrong: str, keys_wrong: str, bad_templates: Collection[str]) -> None:
    """At a start, before anything else. What is wrong with the configuration's file, or with its keys, is empty where
    all is well.
    """
    _look_around(tx, config)
    notes.clear_alarm(tx, "console")  # it is tried anew
    notes.show_alarm(tx, "config", file_wrong)
    notes.show_alarm(tx, "broker:keys", keys_wrong if config.broker is not None else "")
    for key in [key for key in notes.alarms(tx) if key.startswith("template:")]:
        if key.removeprefix("template:") not in bad_templates:
            notes.clear_alarm(tx, key)
    _follow_names(tx, config, stand_in=bool(file_wrong))


def tidy(tx: Tx, config: Config) -> None:
    """Now and then, while tickets print."""
    _look_around(tx, config)
    prune(tx, config.limits.keep_orders)


def _look_around(tx: Tx, config: Config) -> None:
    follow_updates(tx, updates.read(updates.FOLDER))
    if config.broker is None:
        forget_cloud(tx)


def _follow_names(tx: Tx, config: Config, *, stand_in: bool) -> None:
    """Tickets go where the stations of today send them."""
    stations, printers = config.effective_stations(), {printer.name for printer in config.printers}
    by_station = {station.name: station.printer or "" for station in stations}
    if renamed := renames.follow(tx, by_station, printers, stand_in=stand_in):
        _log.info("app.renamed", names=renamed)
    default = next(station for station in stations if station.default)
    if moved := routes.reroute(tx, by_station, default.printer or "", printers):
        _log.info("app.tickets_rerouted", count=moved)
    for name in notices.forget_missing(tx, printers):
        _log.info("app.printer_gone", printer=name)
    routes.tell_homeless(tx)
