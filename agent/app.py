"""The composition root: builds every room, starts them in order, stops them in reverse. Only this file sees all."""

import gc
import os
import signal
import threading
from collections.abc import Callable
from contextlib import closing, suppress
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from agent import __version__, log
from agent.answers import answers
from agent.broker.mqtt import Line
from agent.broker.topics import topics
from agent.broker.word import Will
from agent.clock import Clock, SystemClock, is_synchronised, stamp
from agent.config import Broker, Config, Printer, load
from agent.configconsole import Console
from agent.connectors import connector
from agent.control import Control
from agent.datadir import locked
from agent.errors import ConfigError, JournalError, JournalNewer
from agent.finder import Finder
from agent.handwork import Handwork
from agent.intake.commands import Commands
from agent.intake.consumer import Consumer
from agent.intake.keyfile import load_keyring
from agent.intake.release import Release
from agent.intake.signature import NO_KEYS, Keyring
from agent.intake.timekeeper import TimeKeeper
from agent.journal import jobs, notes, notices, renames, routes
from agent.journal.file import Tx
from agent.journal.retention import forget_cloud, prune
from agent.journal.store import Journal
from agent.lastgood import keep
from agent.lastlines import LastLines
from agent.lookout import Lookout
from agent.model.command import Ask
from agent.model.link import SerialLink
from agent.model.wire import Delivery
from agent.overview import LineNow
from agent.people import People
from agent.printers.link import Connector
from agent.printers.meeting import Patience
from agent.reload import Reload, try_start
from agent.report.envelope import Identity, new_identity, state_payload
from agent.report.publisher import Publisher
from agent.service import Service, Watchdog, keep_heaps_few, running, sd_notify, watchdog_period_s
from agent.spool.failover import Roster
from agent.spool.post import Shop
from agent.spool.render import Press
from agent.spool.shelf import Shelf
from agent.spool.worker import Worker
from agent.standing import Standing
from agent.statusline import StatusLine
from agent.update import back as updates
from agent.update.tell import follow as follow_updates

if TYPE_CHECKING:
    from agent.console.rooms import Window
    from agent.intake.mapping import Mapping

STOP_S, JOURNAL_STOP_S = 3.8, 0.9
EXIT_JOURNAL = 74
EXIT_BROKEN = 70
AGAIN = -1
"""Not an exit code: start anew, with the configuration as it is now."""
FIRST_MEETING_S = 25.0
TIDY_EACH_S = 60.0
_log = log.get("app")


def run_agent(
    config: Config, reread: Callable[[], Config] | None = None, path: Path | None = None, wrong: str = ""
) -> int:
    """Run until SIGTERM or SIGINT; returns the exit code: 0; or, to be started afresh, 74 when the journal failed and
    70 when a thread ended; or AGAIN. `path` is the configuration's file, for who changes it on the console; `wrong`
    says what is wrong with it, where `config` is the last good one.

    Raises:
        ConfigError: the data directory can't be made or written.
        DataDirLocked: another agent works here.
        JournalNewer: a newer version worked here.
    """
    keep_heaps_few(1)
    os.umask(0o077)  # customers' names are in the journal and on virtual paper
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    with locked(config.data_dir):
        try:
            agent = Agent(config, SystemClock(), reread, path, wrong)
            with agent.lines.listening():
                return agent.run(stop)
        except JournalNewer:
            raise  # a person installs the newer version again; until then there is no use in starting each other second
        except JournalError as exc:
            _log.error("app.journal_failed", reason=str(exc))
            return EXIT_JOURNAL


class Agent:
    """All rooms, wired."""

    def __init__(
        self,
        config: Config,
        clock: Clock,
        reread: Callable[[], Config] | None = None,
        path: Path | None = None,
        wrong: str = "",
    ) -> None:
        self._config = config
        self._path, self._file_wrong = path, wrong
        self._again, self._stopping = threading.Event(), threading.Event()
        self.lines = LastLines(People(config.data_dir))
        self._clock = clock
        self._keys_wrong = ""
        self._stations = config.effective_stations()
        self._topics = topics(config.prefix, config.shop, config.agent)
        self._journal = Journal(config.data_dir / "journal.db")
        names = [printer.name for printer in config.printers]
        roster = Roster(self._stations, names, config.printing.failover_after_s, clock)
        zone = _timezone(config.timezone)
        beside = path.absolute().parent / "templates" if path else None  # it may be made later
        self._shelf = Shelf(config.templates or beside, clock, self._tell_of_template)
        shelf = self._shelf
        times = TimeKeeper(clock, zone, is_synchronised if config.intake.clock == "auto" else lambda: True)
        press = Press(
            config.language,
            zone,
            roster.reason,
            self._stations,
            shelf.book,
            shelf.failed,
            config.shop,
            lambda: times.now() is None,
            config.printing.ready_code,
        )
        self._press, self._roster = press, roster
        patience = Patience(first_meeting_s=FIRST_MEETING_S)
        self._room = room = Shop(self._journal, press, clock, roster, config.printing, patience)
        self._workers = {printer.name: Worker(printer, self._connector(printer), room) for printer in config.printers}
        identity = new_identity(config.shop, config.agent)
        self._publisher = Publisher(
            self._journal, self._topics, identity, clock, config.report.beat_s, self._printers_seen
        )
        self._times = times
        self._release = Release(self._journal, self._stations, config.intake, self._times, clock, self._wake)
        mappings = self._load_mappings() if config.mappings else {}
        self._orders = (self._topics.order, self._topics.replay, self._topics.command, *mappings)
        reread = reread or (lambda: config)
        reload = Reload(config, reread, self._apply, self._shelf.reload, self._shelf.problems, beside)
        errands: dict[str, Callable[[Ask], str]] = {"reload": reload, "bundle": self._bundle}
        self._commands = Commands(self._stations, list(self._workers), config.commands.allow, errands)
        self._consumer = Consumer(
            self._journal,
            self._stations,
            self._topics.replay,
            self._acknowledge,
            self._wake,
            self._publisher.ask_replay,
            self._topics.command,
            config.intake,
            self._times,
            self._release.ring,
            mappings,
            self._commands,
            keyring=self._load_keyring(),
        )
        self._line = None if config.broker is None else self._open_line(config.broker, identity)
        sure = is_synchronised if config.intake.clock == "auto" else lambda: True
        self.lookout = Lookout(config, self._journal, clock, self._printers_seen, self._line_now, sure)
        self.finder = Finder(config.printers, lambda printer: connector(printer, config.data_dir))
        rooms = (self._journal, config.printers, self._workers, clock, self._release.ring, self._commands)
        standing = Standing(self.lookout.now, self.lines)
        handwork = Handwork(self._journal, self._consumer.receive, self._workers)
        self._handlers = {**answers(*rooms, self.finder), **standing.table(), **handwork.table()}
        self._control = Control(config.data_dir, self._handlers, clock)
        self._services: list[Service] = []
        self._talkers: list[Service] = []
        self._console = self._open_console(config.console) if isinstance(config.console, Console) else None
        self._notices = self._open_notices() if config.notices else None

    def run(self, stop: threading.Event) -> int:
        """Start everything, feed the watchdog, and stop everything when told to or when the journal fails."""
        talkers: list[Service] = [self._control]
        if self._line is not None and not self._keys_wrong:
            talkers = [self._line, self._publisher, self._control]
        if self._console is not None:
            talkers.append(self._console)
        if self._notices is not None:
            talkers.append(self._notices)
        talkers += self._talkers
        services: list[Service] = [self._journal, *self._workers.values(), self._release, *talkers]
        self._services += services
        watchdog = Watchdog(services, self._clock, period_s=watchdog_period_s())
        with running(services[:1], JOURNAL_STOP_S, self._clock):
            self._journal.write(self._prepare)
            self._consumer.resume()
            with running(services[1:], STOP_S, self._clock):
                gc.freeze()  # what is here by now stays: to look through it again and again would hold up tickets
                sd_notify("READY=1")
                _log.info("app.started", version=__version__, shop=self._config.shop, printers=len(self._workers))
                self._look_at_file()
                code = self._watch(stop, watchdog)
                sd_notify("STOPPING=1")
                self._stopping.set()
        if self._again.is_set() and not stop.is_set():
            _log.info("app.starts_anew")
            return AGAIN
        if code:
            return code
        _log.info("app.stopped")
        return 0

    def _watch(self, stop: threading.Event, watchdog: Watchdog) -> int:
        """Until told to stop: feed the watchdog, forget what is old, and end when a thread of ours has ended."""
        vital: list[Service] = [*self._workers.values(), self._release]
        tidied_at = self._clock.monotonic()
        shown = StatusLine(self.lookout.now, self._clock)
        while not stop.wait(min(1.0, watchdog.turn())):
            if self._journal.failed is not None:
                return EXIT_JOURNAL
            if self._again.is_set():
                return 0
            if dead := [service.name for service in vital if not service.alive()]:
                _log.error("app.thread_ended", services=dead)
                return EXIT_BROKEN
            if self._clock.monotonic() - tidied_at > TIDY_EACH_S:
                tidied_at = self._clock.monotonic()
                self._journal.submit(self._tidy, lambda _: None)
                self._look_at_keys()
                self._look_at_file()
            shown.turn()
        return 0

    def _tidy(self, tx: Tx) -> None:
        follow_updates(tx, updates.read(updates.FOLDER))
        prune(tx, self._config.limits.keep_orders)
        if self._line is None:
            forget_cloud(tx)

    def _load_keyring(self) -> Keyring:
        """A key that can't be read keeps the line shut, and nothing else: orders wait at the broker, unjudged."""
        try:
            return load_keyring(self._config, self._topics)
        except ConfigError as exc:
            self._keys_wrong = str(exc)
            _log.error("app.line_kept_shut", reason=self._keys_wrong)
            return NO_KEYS

    def _look_at_keys(self) -> None:
        """Start anew once those that could not be read can be."""
        if self._keys_wrong:
            with suppress(ConfigError):
                load_keyring(self._config, self._topics)
                self._again.set()

    def _look_at_file(self) -> None:
        """Keep what the agent runs with; or, while that is the last good one, start anew once the file is mended."""
        if self._path is not None and not self._file_wrong:
            keep(self._path, self._config)
        elif self._path is not None:
            with suppress(ConfigError):
                try_start(load(self._path))
                self._again.set()

    def _load_mappings(self) -> dict[str, "Mapping"]:
        """Of other platforms, by topic; who has none does not pay for them."""
        from agent.intake.mappingfile import load_all

        return {topic: file.mapping for topic, file in load_all(self._config).items()}

    def _open_line(self, broker: Broker, identity: Identity) -> Line:
        """The line to the cloud, which the publisher looks after; without a broker there is neither."""
        will = Will(self._topics.state, state_payload(identity, False))
        line = Line(broker, self._orders, will, self._clock, self._receive, self._line_up)
        self._publisher.line = line
        return line

    def _open_console(self, settings: Console) -> Service:
        """The box's own port; who does not want it does not pay for it."""
        from agent.console.open import open_console
        from agent.console.rooms import Rooms

        rooms = Rooms(
            journal=self._journal,
            receive=self._consumer.receive,
            workers=self._workers,
            printers_of={station.name: station.printer for station in self._stations},
            line_up=self._line_is_up,
            cloud=self._line is not None,
            last_heard=lambda: self._publisher.last_heard,
            stuck=Watchdog(self._services, self._clock).stuck,
            synchronised=is_synchronised if self._config.intake.clock == "auto" else lambda: True,
            clock=self._clock,
        )
        window = self._window()
        if window.access.welcome_due:
            from agent.firstrun import FirstRun

            new = (self._config, self._path, window.access, self._clock, window.print_code, window.restart)
            self._talkers.append(FirstRun(*new))
        return open_console(settings, rooms, lambda problem: self._set_alarm("console", problem), window)

    def _window(self) -> "Window":
        """What people's pages look at."""
        from agent.console.access import Access
        from agent.console.claimticket import ClaimTicket
        from agent.console.rooms import Window

        return Window(
            access=Access(self._config.data_dir),
            overview=self.lookout.now,
            handlers=self._handlers,
            config=lambda: self._config,
            config_path=self._path,
            press=self._press,
            shelf=self._shelf,
            log_text=self.lines.text,
            restart=self._again.set,
            print_code=ClaimTicket(self._config, self._journal, self._workers, self._wake).print,
            alarm=self._set_alarm,
            stopping=self._stopping,
        )

    def _open_notices(self) -> Service:
        """Alarms are told outside the shop; who does not want that does not pay for it."""
        from agent.model.ticket import Language
        from agent.report.notices import Notices, Place

        place = Place(self._config.shop, self._config.agent, Language(self._config.language))
        return Notices(
            self._config.notices, place, self._journal, self._clock, lambda: self._line is None or self._line.up
        )

    def _tell_of_template(self, name: str, problem: str) -> None:
        self._set_alarm(f"template:{name}", problem)

    def _set_alarm(self, key: str, problem: str) -> None:
        """Up with a problem, down without."""
        self._journal.submit(
            lambda tx: notes.raise_alarm(tx, key, problem) if problem else notes.clear_alarm(tx, key), lambda _: None
        )

    def _prepare(self, tx: Tx) -> None:
        """Bring the ledger in line with the configuration."""
        self._times.load(tx)
        follow_updates(tx, updates.read(updates.FOLDER))
        if self._line is None:
            forget_cloud(tx)
        notes.clear_alarm(tx, "console")  # it is tried anew
        if self._file_wrong:
            notes.raise_alarm(tx, "config", self._file_wrong)
        else:
            notes.clear_alarm(tx, "config")
        self._shelf.book()  # a bad template is known before the first order
        for key in [key for key in notes.alarms(tx) if key.startswith("template:")]:
            if key.removeprefix("template:") not in self._shelf.problems():
                notes.clear_alarm(tx, key)
        by_station = {station.name: station.printer or "" for station in self._stations}
        if renamed := renames.follow(tx, by_station, self._workers):
            _log.info("app.renamed", names=renamed)
        default = next(station for station in self._stations if station.default)
        if moved := routes.reroute(tx, by_station, default.printer or "", set(self._workers)):
            _log.info("app.tickets_rerouted", count=moved)
        for name in notices.forget_missing(tx, set(self._workers)):
            _log.info("app.printer_gone", printer=name)
        if "" in jobs.waiting(tx):
            notes.raise_alarm(tx, "no_printer", "a station has no printer: write one into the configuration")
        else:
            notes.clear_alarm(tx, "no_printer")
        if self._keys_wrong and self._line is not None:
            notes.raise_alarm(tx, "broker:keys", self._keys_wrong)
        else:
            notes.clear_alarm(tx, "broker:keys")
        if self._journal.rebuilt:
            notes.raise_alarm(
                tx, "journal", "the journal was broken and set aside; the cloud is asked for everything again"
            )

    # -- errands -------------------------------------------------------------------------------------------------

    def _apply(self, config: Config) -> None:
        """Take over what may change while tickets print."""
        self._config, self._room.printing, self._commands.allow = config, config.printing, config.commands.allow
        self._publisher.beat_s = config.report.beat_s
        self._press.speak(config.language)
        self._press.ready_code = config.printing.ready_code
        self._roster.give_up_after(config.printing.failover_after_s)

    def _bundle(self, _: Ask) -> str:
        from agent.bundle import make_bundle  # only who wants one pays for it

        more = {"printers.json": self._printers_seen, "log.txt": self.lines.text}
        return f"support bundle: {make_bundle(self._config, self._clock, self._journal.reader, more)}"

    # -- between the rooms ---------------------------------------------------------------------------------------

    def _receive(self, delivery: Delivery) -> None:
        if delivery.topic == self._topics.replay:
            self._publisher.answered()
        if delivery.topic in self._orders:
            self._consumer.receive(delivery)
        else:
            self._consumer.refuse(delivery, "not a topic that this box subscribes to")

    def _acknowledge(self, delivery: Delivery) -> None:
        self._publisher.last_heard = stamp(self._clock.utc())
        if self._line is not None:
            self._line.acknowledge(delivery)

    def _wake(self, printers: set[str]) -> None:
        for name in printers:
            if (worker := self._workers.get(name)) is not None:
                worker.wake()

    def _line_up(self, session_present: bool) -> None:
        self._publisher.connected(session_present)

    def _line_is_up(self) -> bool:
        return self._line is not None and self._line.up

    def _line_now(self) -> LineNow:
        if self._line is None:
            return LineNow("off")
        session = self._line.session
        state: Literal["up", "down"] = "up" if self._line.up else "down"
        return LineNow(state, session.present if session is not None else None, self._publisher.last_heard)

    def _connector(self, printer: Printer) -> Connector:
        if not isinstance(printer.link, SerialLink):
            return connector(printer, self._config.data_dir)
        from agent.printers.serial import SerialConnector

        serial = [other for other in self._config.printers if isinstance(other.link, SerialLink)]
        with closing(self._journal.reader()) as reader:
            port = notes.known_port(reader, printer.name, str(printer.link))
        return SerialConnector(printer.link, port, alone=len(serial) == 1)

    def _printers_seen(self) -> dict[str, Any]:
        return {name: worker.seen() for name, worker in self._workers.items()}


def _timezone(name: str) -> tzinfo:
    if not name:
        return datetime.now(UTC).astimezone().tzinfo or UTC
    from zoneinfo import ZoneInfo

    return ZoneInfo(name)
