"""The composition root: builds every room, starts them in order, stops them in reverse. Only this file sees all."""

import gc
import os
import signal
import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import TYPE_CHECKING

from agent import __version__, log
from agent.answers import answers
from agent.answers.finder import Finder
from agent.answers.handwork import Handwork
from agent.answers.standing import Standing
from agent.clock import Clock, SystemClock, is_synchronised
from agent.config import Config, load
from agent.config.console import Console
from agent.config.lastgood import keep
from agent.connectors import connector
from agent.control import Control, Handler
from agent.datadir import locked
from agent.errors import ConfigError, JournalError, JournalNewer
from agent.intake.commands import Commands
from agent.intake.consumer import Consumer
from agent.intake.release import Release
from agent.intake.timekeeper import TimeKeeper
from agent.journal import notes
from agent.journal.file import Tx
from agent.journal.store import Journal
from agent.lastlines import LastLines
from agent.model.command import Ask
from agent.overview.lookout import Lookout
from agent.overview.statusline import StatusLine
from agent.people import People
from agent.reload import Reload, try_start
from agent.service import Service, Signalled, Stop, Watchdog, keep_heaps_few, running, sd_notify, watchdog_period_s
from agent.wiring.cloud import Cloud
from agent.wiring.ledger import prepare, tidy
from agent.wiring.printroom import PrintRoom

if TYPE_CHECKING:
    from agent.console.rooms import Window
    from agent.intake.mapping import Mapping

STOP_S, JOURNAL_STOP_S = 3.8, 0.9
EXIT_JOURNAL = 74
EXIT_BROKEN = 70
AGAIN = -1
"""Not an exit code: start anew, with the configuration as it is now."""
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
    stop = Signalled()
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
    """All rooms, wired in the order in which they need each other. `run` starts them in that order, the journal first,
    and stops them in reverse.
    """

    def __init__(
        self,
        config: Config,
        clock: Clock,
        reread: Callable[[], Config] | None = None,
        path: Path | None = None,
        wrong: str = "",
    ) -> None:
        self._config, self._clock = config, clock
        self._path, self._file_wrong = path, wrong
        self._again, self._stopping = threading.Event(), threading.Event()
        self._synchronised = is_synchronised if config.intake.clock == "auto" else lambda: True
        self._stations = config.effective_stations()
        self.lines = LastLines(People(config.data_dir))
        self._journal = Journal(config.data_dir / "journal.db")
        zone = _timezone(config.timezone)
        self._times = TimeKeeper(clock, zone, self._synchronised)
        beside = path.absolute().parent / "templates" if path else None  # it may be made later
        templates = config.templates or beside
        self._prints = PrintRoom(config, self._journal, clock, self._times, zone, templates, self._set_alarm)
        self._cloud = Cloud(config, self._journal, clock, self._prints.seen)
        self._release, self._commands, self._consumer = self._build_intake(reread or (lambda: config), beside)
        self._cloud.connect(self._consumer)
        self.lookout = Lookout(config, self._journal, clock, self._prints.seen, self._cloud.now, self._synchronised)
        self.finder = Finder(config.printers, lambda printer: connector(printer, config.data_dir))
        self._handlers = self._build_answers()
        self._vital: list[Service] = [*self._prints.workers.values(), self._release]
        self._services: list[Service] = [self._journal, *self._vital, *self._cloud.services()]
        self._services.append(Control(config.data_dir, self._handlers, clock))
        if isinstance(config.console, Console):
            self._open_console(config.console)
        if config.notices:
            self._services.append(self._open_notices())

    # -- what is built -------------------------------------------------------------------------------------------

    def _build_intake(self, reread: Callable[[], Config], beside: Path | None) -> tuple[Release, Commands, Consumer]:
        """Whatever comes in: orders, from the cloud and from the shop, and commands."""
        config, stations, shelf = self._config, self._stations, self._prints.shelf
        release = Release(self._journal, stations, config.intake, self._times, self._clock, self._prints.wake)
        reload = Reload(config, reread, self._take_over, shelf.reload, shelf.problems, beside)
        errands: dict[str, Callable[[Ask], str]] = {"reload": reload, "bundle": self._bundle}
        commands = Commands(stations, list(self._prints.workers), config.commands.allow, errands)
        consumer = Consumer(
            self._journal,
            stations,
            self._cloud.topics.replay,
            self._cloud.acknowledge,
            self._prints.wake,
            self._cloud.publisher.ask_replay,
            self._cloud.topics.command,
            config.intake,
            self._times,
            release.ring,
            _mappings(config) if config.mappings else {},
            commands,
            keyring=self._cloud.keyring,
        )
        return release, commands, consumer

    def _build_answers(self) -> dict[str, Handler]:
        """What is answered to whoever stands at the box, on a terminal or at the console."""
        workers = self._prints.workers
        rooms = (self._journal, self._config.printers, workers, self._clock, self._release.ring, self._commands)
        standing = Standing(self.lookout.now, self.lines)
        handwork = Handwork(self._journal, self._consumer.receive, workers)
        return {**answers(*rooms, self.finder), **standing.table(), **handwork.table()}

    def _open_console(self, settings: Console) -> None:
        """The box's own port, and a new box's first start; who does not want it does not pay for it."""
        from agent.console.open import open_console
        from agent.console.rooms import Rooms

        rooms = Rooms(
            journal=self._journal,
            receive=self._consumer.receive,
            workers=self._prints.workers,
            printers_of={station.name: station.printer for station in self._stations},
            line_up=self._cloud.up,
            cloud=self._cloud.line is not None,
            last_heard=lambda: self._cloud.publisher.last_heard,
            stuck=Watchdog(self._services, self._clock).stuck,
            synchronised=self._synchronised,
            clock=self._clock,
        )
        window = self._window()
        self.console = open_console(settings, rooms, lambda problem: self._set_alarm("console", problem), window)
        self._services.append(self.console)
        if window.access.welcome_due:
            from agent.firstrun import FirstRun

            new = (self._config, self._path, window.access, self._clock, window.print_code, window.restart)
            self._services.append(FirstRun(*new))

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
            press=self._prints.press,
            shelf=self._prints.shelf,
            restart=self._again.set,
            print_code=ClaimTicket(self._config, self._journal, self._prints.workers, self._prints.wake).print,
            alarm=self._set_alarm,
            stopping=self._stopping,
        )

    def _open_notices(self) -> Service:
        """Alarms are told outside the shop; who does not want that does not pay for it."""
        from agent.model.ticket import Language
        from agent.report.notices import Notices, Place

        place = Place(self._config.shop, self._config.agent, Language(self._config.language))
        line_up = self._cloud.up if self._cloud.line is not None else lambda: True
        return Notices(self._config.notices, place, self._journal, self._clock, line_up)

    # -- its life ------------------------------------------------------------------------------------------------

    def run(self, stop: Stop) -> int:
        """Start everything, feed the watchdog, and stop everything when told to or when the journal fails."""
        watchdog = Watchdog(self._services, self._clock, period_s=watchdog_period_s())
        with running([self._journal], JOURNAL_STOP_S, self._clock):
            self._journal.write(self._prepare)
            self._consumer.resume()
            with running(self._services[1:], STOP_S, self._clock):
                gc.freeze()  # what is here by now stays: to look through it again and again would hold up tickets
                gc.enable()
                sd_notify("READY=1")
                printers = len(self._config.printers)
                _log.info("app.started", version=__version__, shop=self._config.shop, printers=printers)
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

    def _prepare(self, tx: Tx) -> None:
        self._times.load(tx)
        self._prints.shelf.book()  # a bad template is known before the first order
        prepare(tx, self._config, self._file_wrong, self._cloud.keys_wrong, self._prints.shelf.problems())
        if self._journal.rebuilt:
            notes.raise_alarm(
                tx, "journal", "the journal was broken and set aside; the cloud is asked for everything again"
            )

    def _watch(self, stop: Stop, watchdog: Watchdog) -> int:
        """Until told to stop: feed the watchdog, forget what is old, and end when a thread of ours has ended."""
        tidied_at = self._clock.monotonic()
        shown = StatusLine(self.lookout.now, self._clock)
        while not stop.wait(min(1.0, watchdog.turn())):
            if self._journal.failed is not None:
                return EXIT_JOURNAL
            if self._again.is_set():
                return 0
            if dead := [service.name for service in self._vital if not service.alive()]:
                _log.error("app.thread_ended", services=dead)
                return EXIT_BROKEN
            if self._clock.monotonic() - tidied_at > TIDY_EACH_S:
                tidied_at = self._clock.monotonic()
                self._journal.submit(lambda tx: tidy(tx, self._config), lambda _: None)
                if self._cloud.keys_are_back():
                    self._again.set()
                self._look_at_file()
            shown.turn()
        return 0

    def _look_at_file(self) -> None:
        """Keep what the agent runs with; or, while that is the last good one, start anew once the file is mended."""
        if self._path is not None and not self._file_wrong:
            keep(self._path, self._config)
        elif self._path is not None:
            with suppress(ConfigError):
                try_start(load(self._path))
                self._again.set()

    # -- asked for by the rooms ----------------------------------------------------------------------------------

    def _set_alarm(self, key: str, problem: str) -> None:
        """Up with a problem, down without."""
        self._journal.submit(lambda tx: notes.show_alarm(tx, key, problem), lambda _: None)

    def _take_over(self, config: Config) -> None:
        """What may change while tickets print."""
        self._config, self._commands.allow = config, config.commands.allow
        self._cloud.publisher.beat_s = config.report.beat_s
        self._prints.take_over(config)

    def _bundle(self, _: Ask) -> str:
        from agent.bundle import make_bundle  # only who wants one pays for it

        more = {"printers.json": self._prints.seen, "log.txt": self.lines.text}
        return f"support bundle: {make_bundle(self._config, self._clock, self._journal.reader, more)}"


def _timezone(name: str) -> tzinfo:
    if not name:
        return datetime.now(UTC).astimezone().tzinfo or UTC
    from zoneinfo import ZoneInfo

    return ZoneInfo(name)


def _mappings(config: Config) -> dict[str, "Mapping"]:
    """Of other platforms, by topic; who has none does not pay for them."""
    from agent.intake.mappingfile import load_all

    return {topic: file.mapping for topic, file in load_all(config).items()}
