"""What the box does for whoever looks for printers: a search, and the name of one that it found on its own paper.

A search of the network takes some seconds: it goes on behind, and whoever asks again hears how far it is.
"""

import threading
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from agent import log
from agent.clock import SystemClock
from agent.config import Printer
from agent.control import Handler, Visit
from agent.errors import CommandRefused, ConfigError
from agent.model.link import Link, SerialLink, TcpLink, UsbLink, UsblpLink, VirtualLink, parse_link
from agent.model.profile import PROFILES, suggest, suggest_width
from agent.printers.discovery import Found, Roots, discover, owner_of
from agent.printers.link import Connector

NARROW = 32
"""Cells that every paper bears."""

_FAILED = "搜索出错 the search failed"
_log = log.get("finder")


class Ask(msgspec.Struct, frozen=True):
    """`start`: search; else only tell. `lan`: on the network, too."""

    start: bool = True
    lan: bool = False


class State(msgspec.Struct, frozen=True):
    """A search, so far: `done` of `total` addresses of the network, and in `notes` what was not searched, in words."""

    running: bool = False
    lan: bool = False
    done: int = 0
    total: int = 0
    found: tuple[Found, ...] = ()
    notes: tuple[str, ...] = ()


_READ_ASK = msgspec.json.Decoder(Ask)  # before there are threads


class Finder:
    """`printers` are the configured ones, which a search leaves alone; `connect` makes the way to another one."""

    def __init__(
        self,
        printers: Sequence[Printer],
        connect: Callable[[Printer], Connector] | None = None,
        roots: Roots = Roots(),  # noqa: B008  frozen
    ) -> None:
        self._known: dict[str, Link] = {printer.name: printer.link for printer in printers}
        self._connect = connect
        self._roots = roots
        self._lock = threading.Lock()
        self._one_page = threading.Lock()
        self._state = State()

    def table(self) -> dict[str, Handler]:
        """The requests at the box's door that are answered here."""
        return {"scan": self._scan}

    # -- searching -----------------------------------------------------------------------------------------------

    def start(self, *, lan: bool, stopping: threading.Event | None = None) -> State:
        """Search, unless a search is under way; how far it is. What is plugged in is known at once."""
        with self._lock:
            if self._state.running:
                return self._state
            self._state = State(running=lan, lan=lan, found=tuple(discover(self._known, roots=self._roots)))
            if lan:
                stop = stopping or threading.Event()
                threading.Thread(target=self._search, args=(stop,), name="finder", daemon=True).start()
            return self._state

    def state(self) -> State:
        """How far the search is; of the last one, when none is under way."""
        with self._lock:
            return self._state

    def _search(self, stopping: threading.Event) -> None:
        try:
            found = discover(
                self._known,
                on_network=True,
                progress=lambda done, total: self._note(done=done, total=total),
                tell=lambda words: self._note(notes=(*self._state.notes, words)),
                stopping=stopping.is_set,
                roots=self._roots,
            )
            self._note(running=False, found=tuple(found))
        except Exception as exc:  # noqa: BLE001  the outermost frame of its thread: who waits is told
            _log.exception("finder.search_failed")
            self._note(running=False, notes=(*self._state.notes, f"{_FAILED}: {exc}"))

    def _note(self, **now: Any) -> None:
        with self._lock:
            self._state = msgspec.structs.replace(self._state, **now)

    def _scan(self, request: dict[str, Any], visit: Visit) -> dict[str, Any]:
        try:
            ask = msgspec.convert(request, Ask)
        except msgspec.ValidationError as exc:
            raise CommandRefused(
                f"a scan has start and lan, each true or false: {exc}", "搜索的设置有误：请刷新页面"
            ) from exc
        if ask.start:
            _log.info("finder.search_asked", by=visit.by, lan=ask.lan)
        state = self.start(lan=ask.lan, stopping=visit.stopping) if ask.start else self.state()
        told: dict[str, Any] = msgspec.to_builtins(state)
        return told

    # -- which one is it -----------------------------------------------------------------------------------------

    def owner(self, text: str) -> str:
        """The name of the configured printer that a link leads to; "" for none. Raises CommandRefused for no link."""
        return owner_of(_link(text), self._known, self._roots)

    def identify(self, text: str, *, by: str, stopping: threading.Event | None = None) -> dict[str, Any]:
        """Print a page that says which link it was, on a printer that is not configured.

        Raises:
            CommandRefused: it is configured, needs a person, or a page is being printed already.
            PrinterError: nobody is there, or another program has it.
        """
        link = _link(text)
        if owner := owner_of(link, self._known, self._roots):
            raise CommandRefused(
                f"that is the printer {owner}, which the agent prints on; name it: {owner}",
                f"那就是打印机 {owner}，已在使用",
            )
        if self._connect is None or isinstance(link, VirtualLink):
            raise CommandRefused(
                f"{link} lives in the agent: write it into the configuration, and name it",
                f"{link} 是虚拟打印机：请先添加它",
            )
        if not self._one_page.acquire(blocking=False):
            raise CommandRefused(
                "another printer prints its page just now; try again in a moment", "另一台打印机正在打印：请稍后再试"
            )
        try:
            _log.info("finder.page_asked", by=by, link=str(link))
            printer = Printer(name=short_name(link), link=link, width=NARROW)
            return print_name(printer, self._connect(printer), stopping or threading.Event())
        finally:
            self._one_page.release()


def print_name(printer: Printer, cable: Connector, stopping: threading.Event) -> dict[str, Any]:
    """Print its name in large letters over a link of our own; what became of it, and what the printer is.

    Raises:
        CommandRefused, PrinterError: as `Finder.identify`.
    """
    from agent.encode.escpos import encode  # only who looks for printers pays for them
    from agent.encode.typeset import typeset
    from agent.spool.leaflet import deliver, told
    from agent.tickets.pages import identify_page

    rows = typeset(identify_page(printer.name, str(printer.link)), printer.width, charset=printer.charset)
    page = encode(rows, printer.width, dots=printer.dots, profile=PROFILES[printer.profile], beep=True)
    delivered = deliver(page, printer, cable, SystemClock(), stopping.is_set)
    state, why = told(delivered.outcome)
    firmware, *model = delivered.facts or ("",)
    name = " ".join(filter(None, model[:2]))
    return {
        "name": printer.name,
        "link": str(printer.link),
        "state": state,
        "why": why,
        "tier": delivered.can.tier.name.lower(),
        "model": name,
        "firmware": firmware,
        "profile": suggest("", name),
        "width": suggest_width(name),
    }


def short_name(link: Link) -> str:
    """What of a link a person tells printers by, short enough for large letters."""
    match link:
        case TcpLink(host):
            return host
        case SerialLink(path) | UsblpLink(path):
            return path.rpartition("/")[2]
        case UsbLink(model, serial, port):
            return port or serial or model
        case VirtualLink(name):
            return name


def _link(text: str) -> Link:
    try:
        return parse_link(text)
    except ConfigError as exc:
        raise CommandRefused(str(exc), f"地址写得不对：{exc}") from exc
