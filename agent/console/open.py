"""The port of one shop, put together: whatever the configuration turns on, on one thread."""

from collections.abc import Callable
from contextlib import closing
from functools import partial

from starlette.middleware import Middleware
from starlette.routing import Route

from agent.config.console import PORT
from agent.config.console import Console as Settings
from agent.console.app import build
from agent.console.feie import FeieDoor
from agent.console.health import Health
from agent.console.metrics import Metrics
from agent.console.orders import Orders
from agent.console.porter import Porter
from agent.console.rights import Rights
from agent.console.rooms import Rooms, Window
from agent.console.server import Console
from agent.console.tally import Tally
from agent.model.address import parse_host_port


def open_console(
    settings: Settings, rooms: Rooms, tell: Callable[[str], None], window: Window | None = None
) -> Console:
    """The service, not started. Call it before the journal is. `tell` gets the reason why the port can't be opened.
    Without a `window` it is for machines only.
    """
    porter = Porter(rooms.journal, rooms.receive)
    with closing(rooms.journal.reader()) as reader:
        tally = Tally(reader)
    routes = Health(rooms).routes()
    routes += Orders(porter, settings.tokens if settings.token_file else None, rooms.clock).routes()
    if settings.feie is not None:
        routes += FeieDoor(settings.feie, rooms, porter, lambda at: tally.count("repeated", station=at)).routes()
    if settings.metrics:
        rooms.journal.carry(tally)
        routes += Metrics(rooms, tally).routes()
    machines = [route.path_regex for route in routes if isinstance(route, Route)]
    inner: list[Middleware] = []
    hang_up = lost = None
    if window is not None and settings.pages:
        from agent.console.window import open_window  # who wants no pages does not pay for them

        live, pages, lost = open_window(rooms, window, porter)
        hang_up = live.hang_up
        routes += pages
        inner = [Middleware(Rights, access=window.access, machines=machines, public=lambda: settings.public == "state")]
    count = partial(_count, tally)
    app = build(routes, settings.hosts, count, inner, lost)
    host, port = parse_host_port(settings.listen, PORT)
    return Console(host, port, app, rooms.clock, tell, hang_up)


def _count(tally: Tally, path: str, status: int) -> None:
    tally.count("http", path=path, status=str(status))
