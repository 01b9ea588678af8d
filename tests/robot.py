"""A receiver of notices as strict as the platforms' documents: it checks shape, size and signature by itself."""

import base64
import hashlib
import hmac
import json
import queue
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

TOKEN = "693a91f6-7aoc-4bc4-97a0-0ec2sifa5aaa"
TIMEOUT_S = 10.0


class Robot:
    """Behind `url`. `mood` is what it does with the next messages: take, refuse, echo, redirect, hang, garbage."""

    def __init__(self, kind: str, secret: str = "") -> None:
        self.kind, self.secret, self.mood = kind, secret, "take"
        self.said: queue.Queue[str] = queue.Queue()
        self.bodies: list[dict[str, Any]] = []
        self.asked = 0
        self.url = ""
        self.release = threading.Event()

    def next(self) -> str:
        """The next message that was taken."""
        return self.said.get(timeout=TIMEOUT_S)

    def answer(self, handler: BaseHTTPRequestHandler) -> tuple[int, bytes]:
        """As the platform would."""
        body = handler.rfile.read(int(handler.headers["Content-Length"]))
        self.asked += 1
        if self.mood == "hang":
            self.release.wait(TIMEOUT_S)
        if self.mood == "garbage":
            return 200, b"<html>portal</html>"
        if self.mood == "redirect":
            return 302, b""
        if self.mood == "refuse":
            return self._reply(130101, "send too fast")
        if self.mood == "echo":
            return self._reply(93000, f"invalid webhook url {handler.path}")
        if why := self._fault(handler, body):
            return self._reply(310000, why)
        message = json.loads(body)
        self.bodies.append(message)
        text = message["text"] if self.kind == "generic" else message.get("text", message.get("content"))
        self.said.put(text if isinstance(text, str) else text.get("content", text.get("text")))
        return self._reply(0, "ok")

    def _reply(self, code: int, why: str) -> tuple[int, bytes]:
        if self.kind == "generic":
            return (403, why.encode()) if code else (204, b"")
        names = ("code", "msg") if self.kind == "feishu" else ("errcode", "errmsg")
        return 200, json.dumps(dict(zip(names, (code, why), strict=True))).encode()

    def _fault(self, handler: BaseHTTPRequestHandler, body: bytes) -> str:
        query = {name: values[0] for name, values in parse_qs(urlsplit(handler.path).query).items()}
        message = json.loads(body)
        if not handler.headers["Content-Type"].startswith("application/json"):
            return "not JSON"
        if self.kind == "feishu":
            if message["msg_type"] != "text" or not message["content"]["text"]:
                return "no text"
            return self._signed(message.get("timestamp"), message.get("sign"), seconds=1, swapped=True)
        if self.kind == "generic":
            stamp = handler.headers["X-Shop-Agent-Timestamp"] or ""
            right = hmac.new(self.secret.encode(), stamp.encode() + b"." + body, "sha256").hexdigest()
            given = handler.headers["X-Shop-Agent-Signature"]
            return "" if not self.secret or given == f"sha256={right}" else "sign"
        if message["msgtype"] != "text" or len(message["text"]["content"].encode()) > 2048:
            return "no text, or too long"
        if query.get("key", query.get("access_token")) != TOKEN:
            return "token"
        return self._signed(query.get("timestamp"), query.get("sign"), seconds=1000, swapped=False)

    def _signed(self, stamp: str | None, sign: str | None, seconds: int, swapped: bool) -> str:
        if not self.secret:
            return ""
        if stamp is None or abs(int(stamp) / seconds - time.time()) > 3600:
            return "timestamp"
        both = f"{stamp}\n{self.secret}".encode()
        made = hmac.new(both, b"", hashlib.sha256) if swapped else hmac.new(self.secret.encode(), both, hashlib.sha256)
        return "" if sign == base64.b64encode(made.digest()).decode() else "sign not match"


PATHS = {
    "wecom": f"/cgi-bin/webhook/send?key={TOKEN}",
    "dingtalk": f"/robot/send?access_token={TOKEN}",
    "feishu": f"/open-apis/bot/v2/hook/{TOKEN}",
    "generic": f"/hook/{TOKEN}",
}


@contextmanager
def robot(kind: str, secret: str = "", port: int = 0, tls: ssl.SSLContext | None = None) -> Iterator[Robot]:
    """One that listens on this machine."""
    here = Robot(kind, secret)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            status, answer = here.answer(self)
            self.send_response(status)
            if status == 302:
                self.send_header("Location", here.url)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    class Server(ThreadingHTTPServer):
        def handle_error(self, request: Any, client_address: Any) -> None:
            pass  # whoever hung up before the answer did so on purpose

    server = Server(("127.0.0.1", port), Handler)
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    here.url = f"{'https' if tls else 'http'}://localhost:{server.server_address[1]}{PATHS[kind]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield here
    finally:
        here.release.set()
        server.shutdown()
        server.server_close()
        thread.join(TIMEOUT_S)
