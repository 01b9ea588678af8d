"""A till on the shop's network: a kitchen with its port open, and real HTTP to it."""

import hashlib
import http.client
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import msgspec

from agent.clock import SystemClock
from agent.config.console import Console, Feie, FeiePrinter
from agent.console.open import open_console
from agent.console.rooms import Rooms
from agent.simulator.stage import free_port
from tests.kitchen import Kitchen, kitchen

TOKEN = "a-token-of-the-till-0001"
USER, UKEY, SN = "shop@example.com", "ukey-of-the-shop", "922599200"
STRUCTURED = "application/cloudevents+json"


class Answer(msgspec.Struct):
    """What came back."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def said(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


class Shop:
    """The kitchen, its port, and what the agent around it would say."""

    def __init__(self, here: Kitchen, folder: Path, feie: bool = True, tokens: bool = True) -> None:
        self.kitchen = here
        self.port = free_port()
        self.trouble: list[str] = []
        self.stuck: list[str] = []
        self.line_up = True
        self.last_heard = ""
        self.synchronised = True
        (folder / "token").write_text(f"# tills\n{TOKEN}\nanother-token-of-0002\n")
        (folder / "ukey").write_text(UKEY + "\n")
        account = Feie(user=USER, ukey_file=folder / "ukey", printers=[FeiePrinter(sn=SN, station="wok")])
        self.settings = Console(
            listen=f"127.0.0.1:{self.port}",
            hosts=["PrintBox.lan"],
            token_file=folder / "token" if tokens else None,
            feie=account if feie else None,
        )
        self.rooms = Rooms(
            journal=here.journal,
            receive=lambda delivery, answer: here.consumer.receive(delivery, answer),
            workers={"wok": here.worker},
            printers_of={"wok": "wok"},
            line_up=lambda: self.line_up,
            last_heard=lambda: self.last_heard,
            stuck=lambda: self.stuck,
            synchronised=lambda: self.synchronised,
            clock=SystemClock(),
        )
        self.console = open_console(self.settings, self.rooms, self.trouble.append)

    def ask(
        self, method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None, timeout_s: float = 20.0
    ) -> Answer:
        """One request on a connection of its own."""
        return ask(self.port, method, path, body, headers, timeout_s)

    def send(self, event: Any, kind: str = STRUCTURED, token: str = TOKEN, **headers: str) -> Answer:
        """An event, or whatever it is, to /v1/orders."""
        body = event if isinstance(event, bytes) else json.dumps(event).encode()
        also = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.ask("POST", "/v1/orders", body, {"authorization": f"Bearer {token}", "content-type": kind, **also})

    def feie(self, apiname: str = "Open_printMsg", path: str = "/Api/Open/", **fields: str) -> dict[str, Any]:
        """A call of Feieyun's interface, signed unless a field says otherwise."""
        form = signed(apiname, **fields)
        kind = {"content-type": "application/x-www-form-urlencoded; charset=UTF-8"}
        answer = self.ask("POST", path, urlencode(form).encode(), kind)
        assert answer.status == 200, answer
        said: dict[str, Any] = answer.said
        assert said.keys() == {"ret", "msg", "data", "serverExecutedTime"}
        return said


def signed(apiname: str, **fields: str) -> dict[str, str]:
    """The form of a call."""
    stime = fields.pop("stime", str(int(time.time())))
    sig = hashlib.sha1(f"{USER}{UKEY}{stime}".encode()).hexdigest()
    return {"user": USER, "stime": stime, "sig": sig, "apiname": apiname, **fields}


def ask(
    port: int,
    method: str,
    path: str,
    body: bytes = b"",
    headers: dict[str, str] | None = None,
    timeout_s: float = 20.0,
) -> Answer:
    """One request to the loopback interface."""
    line = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout_s)
    try:
        line.request(method, path, body, headers or {})
        answer = line.getresponse()
        return Answer(answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read())
    finally:
        line.close()


def answers(port: int, path: str = "/healthz") -> bool:
    """Is the port open, and all well there? It opens after the line to the cloud."""
    try:
        return ask(port, "GET", path, timeout_s=2).status == 200
    except (OSError, http.client.HTTPException):
        return False


def event(number: int | str, rev: int = 1, event_id: str = "", **fields: Any) -> dict[str, Any]:
    """An order as a till sends it."""
    items = fields.pop("items", [{"name": "豆浆", "qty": "2", "note": "不要糖"}])
    order = {"id": f"id-{number}", "rev": rev, "channel": "till", "no": str(number), "items": items, **fields}
    return {
        "specversion": "1.0",
        "id": event_id or f"till-{number}-{rev}",
        "source": "//till.lan/1",
        "type": "order.upsert",
        "data": {"order": order},
    }


@contextmanager
def shop(folder: Path, feie: bool = True, tokens: bool = True) -> Iterator[Shop]:
    """A kitchen with its port open."""
    with kitchen(folder) as here:
        there = Shop(here, folder, feie, tokens)
        there.console.start()
        try:
            yield there
        finally:
            there.console.stop(5)
            assert not there.console.alive()
