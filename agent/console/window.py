"""The window: all pages for people, put together. Every room of it gets the same four things and gives its routes."""

import secrets
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from agent.clock import machine_zone
from agent.config.edits import NEW_SHOP
from agent.console.act import Acts
from agent.console.change import Changes
from agent.console.day import DayPage
from agent.console.door import MANY_WRONG, Door
from agent.console.editor import Editor
from agent.console.kitchen import Kitchen
from agent.console.late import Late
from agent.console.live import Live
from agent.console.logbook import Logbook
from agent.console.logos import Logos
from agent.console.now import Now
from agent.console.pages import Pages
from agent.console.porter import Porter
from agent.console.printers import Printers
from agent.console.printersetup import PrinterSetup
from agent.console.rooms import Rooms, Window
from agent.console.setup import SetUp
from agent.console.stations import Stations
from agent.console.stationsetup import StationSetup
from agent.console.tickets import Tickets
from agent.journal.dismissals import GUESSED
from agent.service import keep_heaps_few

Lost = Callable[[Request], Response]


@dataclass(frozen=True)
class View:
    """What a page is made from: `rooms` and `window` to look at, `pages` to make it, `acts` and `porter` to do. By
    `boot` a page sees that the agent was started anew.
    """

    rooms: Rooms
    window: Window
    pages: Pages
    acts: Acts
    porter: Porter
    boot: str = field(default_factory=lambda: secrets.token_hex(8))


def open_window(rooms: Rooms, window: Window, porter: Porter) -> tuple[Live, list[BaseRoute], Lost]:
    """What tells the pages of changes, the routes of all of them, and the page of an address that there is not. Call it
    before the journal is started.
    """
    keep_heaps_few(2)  # a picture's memory would stay with the thread that made it
    pages = Pages(lambda: window.config().shop, lambda: window.config().timezone or machine_zone())
    acts = Acts(window.handlers, pages, window.stopping)
    view = View(rooms, window, pages, acts, porter)
    with closing(rooms.journal.reader()) as reader:
        live = Live(reader, lambda: _look(rooms))
    rooms.journal.carry(live)
    door = Door(
        pages,
        window.access,
        rooms.clock,
        window.print_code,
        lambda count: _suspect(window, count),
        lambda: "/setup" if window.config().shop == NEW_SHOP else "/",
    )
    routes = [*pages.routes(), *live.routes(), *door.routes(), *acts.routes()]
    editor = Editor(view)
    for room in (
        Now(view),
        SetUp(view),
        Kitchen(view),
        Tickets(view),
        Late(view),
        Printers(view),
        PrinterSetup(view),
        Stations(view),
        StationSetup(view),
        Changes(view),
        editor,
        Logos(view, editor),
        DayPage(view),
        Logbook(view),
    ):
        routes += room.routes()
    return live, routes, pages.lost


def _look(rooms: Rooms) -> object:
    """What may change without a commit."""
    return rooms.line_up(), {name: worker.seen() for name, worker in rooms.workers.items()}


def _suspect(window: Window, count: int) -> None:
    window.alarm(GUESSED, f"{count} wrong PINs" if count >= MANY_WRONG else "")
