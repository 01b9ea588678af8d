"""The fleet for Prometheus (text format 0.0.4): sums; single boxes only when asked for, and then a bounded number.

Nothing here is about an order or a customer.
"""

import threading
from collections.abc import Callable, Iterable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from agent.fleet.look import Look
from agent.fleet.trouble import NEED_A_PERSON, PRINTER_NEEDS

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
CLIENT_TIMEOUT_S = 5.0
_PREFIX = "shop_agent_fleet_"
Sample = tuple[dict[str, str], float]


def text(look: Look, most_boxes: int = 0) -> str:
    """All metrics. `most_boxes` of those that need a person, the worst first, get series of their own."""
    found = look.summary
    blocks = [
        _metric("line_up", "gauge", "Does the watcher hear the broker?", [({}, look.line.up)]),
        _metric("messages_total", "counter", "Messages heard.", [({}, look.messages)]),
        _metric("messages_refused_total", "counter", "Messages from no possible box.", [({}, look.refused)]),
        _metric("boxes", "gauge", "Boxes by their worst trouble.", _by("trouble", found.boxes.items())),
        _metric(
            "printers",
            "gauge",
            "Printers by what they need.",
            _by("need", [(what, found.printers.get(what, 0)) for what in PRINTER_NEEDS]),
        ),
        _metric("tickets_waiting", "gauge", "Tickets that are not settled.", [({}, found.waiting)]),
        _metric("orders_held", "gauge", "Orders that wait and are no tickets yet.", [({}, found.held)]),
        _metric("oldest_ticket_seconds", "gauge", "Age of the oldest ticket of all.", [({}, found.oldest_s or 0)]),
        _metric("boxes_by_version", "gauge", "Boxes by version.", _by("version", found.versions.items())),
    ]
    return "".join(blocks + (_of_boxes(look, most_boxes) if most_boxes else []))


class Exporter:
    """Serves `/metrics`, and `/healthz` (503 while the broker is not heard), on threads of its own."""

    def __init__(self, host: str, port: int, look: Callable[[], Look], most_boxes: int = 0) -> None:
        class Handler(_Handler):
            """With what it answers from."""

            answers = staticmethod(lambda path: _answer(path, look, most_boxes))

        self._server = ThreadingHTTPServer((host, port), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, name="exporter", daemon=True)

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._server.server_address[1])

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
    timeout = CLIENT_TIMEOUT_S
    server_version = "shop-agent"
    sys_version = ""
    answers: Callable[[str], tuple[int, str]]

    def do_GET(self) -> None:
        """Answer."""
        status, body = self.answers(self.path.partition("?")[0])
        content = body.encode()
        self.send_response(status)
        self.send_header("Content-Type", CONTENT_TYPE)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        """A scrape is no news."""


def _answer(path: str, look: Callable[[], Look], most_boxes: int) -> tuple[int, str]:
    if path == "/metrics":
        return 200, text(look(), most_boxes)
    if path == "/healthz":
        line = look().line
        return (200, "ok\n") if line.up else (503, f"not connected to {line.broker}: {line.why}\n")
    return 404, "there are /metrics and /healthz\n"


def _of_boxes(look: Look, most: int) -> list[str]:
    needy = [row for row in look.boxes if row.trouble in NEED_A_PERSON]
    shown = [({"shop": row.shop, "agent": row.agent}, row) for row in needy[:most]]
    return [
        _metric(
            "box_trouble",
            "gauge",
            "A box that needs a person, and its worst trouble.",
            [({**labels, "trouble": str(row.trouble)}, 1) for labels, row in shown],
        ),
        _metric(
            "box_trouble_seconds",
            "gauge",
            "How long it has been so.",
            [(labels, row.since_s or 0) for labels, row in shown],
        ),
        _metric(
            "box_tickets_waiting",
            "gauge",
            "Its tickets that are not settled.",
            [(labels, row.waiting) for labels, row in shown if row.waiting is not None],
        ),
        _metric("boxes_left_out", "gauge", "Boxes that need a person beyond those.", [({}, len(needy) - len(shown))]),
    ]


def _by(label: str, counts: Iterable[tuple[str, int]]) -> list[Sample]:
    return [({label: str(name)}, count) for name, count in counts]


def _metric(name: str, kind: str, help_text: str, samples: Iterable[Sample]) -> str:
    full = _PREFIX + name
    lines = [f"# HELP {full} {help_text}", f"# TYPE {full} {kind}"]
    for labels, value in samples:
        inside = ",".join(f'{label}="{_escaped(said)}"' for label, said in labels.items())
        lines.append(f"{full}{{{inside}}} {float(value):.15g}" if inside else f"{full} {float(value):.15g}")
    return "\n".join(lines) + "\n"


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
