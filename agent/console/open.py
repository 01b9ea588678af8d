"""The port of one shop, put together: whatever the configuration turns on, on one thread."""

from collections.abc import Callable
from contextlib import closing

from agent.configconsole import PORT
from agent.configconsole import Console as Settings
from agent.console.app import build
from agent.console.feie import FeieDoor
from agent.console.health import Health
from agent.console.metrics import Metrics
from agent.console.orders import Orders
from agent.console.porter import Porter
from agent.console.rooms import Rooms
from agent.console.server import Console
from agent.console.tally import Tally
from agent.model.address import parse_host_port


def open_console(settings: Settings, rooms: Rooms, tell: Callable[[str], None]) -> Console:
    """The service, not started. Call it before the journal is. `tell` gets the reason why the port can't be opened."""
    porter = Porter(rooms.journal, rooms.receive)
    with closing(rooms.journal.reader()) as reader:
        tally = Tally(reader)
    routes = Health(rooms).routes()
    routes += Orders(porter, settings.tokens if settings.token_file else None, rooms.clock).routes()
    if settings.feie is not None:
        routes += FeieDoor(settings.feie, rooms, porter).routes()
    if settings.metrics:
        rooms.journal.carry(tally)
        routes += Metrics(rooms, tally).routes()
    app = build(routes, settings.hosts, lambda path, status: tally.count("http", path=path, status=str(status)))
    host, port = parse_host_port(settings.listen, PORT)
    return Console(host, port, app, rooms.clock, tell)
