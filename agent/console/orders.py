"""`POST /v1/orders`: CloudEvents from a till on the shop's own network; the same journal, the same rules.

Answered once it is on disk. What can't be read is not parked: whoever sent it is there, and is told.
"""

import hmac
from collections.abc import Callable
from urllib.parse import unquote

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from agent import log
from agent.clock import Clock
from agent.console.app import address_of, read_body, say
from agent.console.porter import Porter
from agent.console.rooms import Refusal
from agent.console.throttle import Throttle
from agent.errors import ConfigError, DecodeError
from agent.intake.acceptance import Taken
from agent.intake.strictjson import MAX_BYTES, decode_tree

MOST_EVENTS = 100
STRUCTURED, BATCH, PLAIN = "application/cloudevents+json", "application/cloudevents-batch+json", "application/json"
_STATES = {
    "order_accepted": (202, "accepted"),
    "order_held": (202, "held"),
    "order_canceled": (202, "canceled"),
    "ping_answered": (202, "pong"),
    "duplicate_dropped": (200, "duplicate"),
    "stale_dropped": (200, "stale"),
    "order_refused_again": (200, "rejected"),
    "event_refused": (400, ""),
    "event_conflict": (409, ""),
    "event_parked": (500, ""),
}
Sent = list[tuple[bytes, dict[str, str] | None]]
_log = log.get("console")


class Orders:
    """`tokens` are read anew for each request; None: local intake is off."""

    def __init__(self, porter: Porter, tokens: Callable[[], list[str]] | None, clock: Clock) -> None:
        self._porter = porter
        self._tokens = tokens
        self._throttle = Throttle(clock)

    def routes(self) -> list[BaseRoute]:
        """For the application."""
        return [Route("/v1/orders", self._post, methods=["POST"])]

    async def _post(self, request: Request) -> Response:
        self._admit(request)
        events, is_batch = read_events(request, await read_body(request, MAX_BYTES))
        answers = [_answer(taken) for taken in await self._porter.bring(events)]
        if not is_batch:
            (status, said), *_ = answers
            return say(said, status)
        worst = max((status for status, _ in answers), default=200)
        return say([{"status": status, **said} for status, said in answers], worst if worst < 300 else 207)

    def _admit(self, request: Request) -> None:
        """Has this one the token?"""
        address = address_of(request)
        if self._tokens is None:
            raise Refusal(403, "local intake is off on this box; name a console.token_file to turn it on")
        try:
            tokens = self._tokens()
        except ConfigError as exc:
            _log.error("console.token_unreadable", reason=str(exc))
            raise Refusal(
                503, "the box can't read its tokens; there run: sudo shop-agent config check", again_s=60
            ) from exc
        scheme, _, said = request.headers.get("authorization", "").partition(" ")
        known = [hmac.compare_digest(said.strip().encode(), token.encode()) for token in tokens]
        if scheme.lower() != "bearer" or not any(known):  # a right one passes, whoever else guesses behind its address
            self._throttle.check(address)
            self._throttle.failed(address)
            _log.warning("console.token_wrong", address=address)
            if scheme.lower() == "bearer" and said.strip():
                raise Refusal(
                    401, "this is no token of this box; it stands in the box's token_file, and goes there whole"
                )
            raise Refusal(401, "send the header Authorization: Bearer TOKEN, with the token of this box")


def read_events(request: Request, body: bytes) -> tuple[Sent, bool]:
    """The events of a request, unread, and whether they came as a batch.

    Raises:
        Refusal: 400, 413 or 415.
    """
    kind, _, rest = request.headers.get("content-type", "").partition(";")
    kind = kind.strip().lower()
    charset = rest.replace(" ", "").replace('"', "").lower()
    if "charset=" in charset and "charset=utf-8" not in charset:
        raise Refusal(415, "JSON is UTF-8; leave the charset out")
    if kind == BATCH:
        return _batch(body), True
    if body.lstrip()[:1] == b"[":
        raise Refusal(400, f"a list of events is a batch; write content-type: {BATCH}", "$")
    if kind == STRUCTURED:
        return [(body, None)], False
    if kind not in ("", PLAIN) and not kind.endswith("+json"):
        raise Refusal(415, f"write content-type: {STRUCTURED}, or {BATCH}")
    if "ce-specversion" not in request.headers:
        return [(body, None)], False
    return [(body or b"null", _attributes(request))], False


def _batch(body: bytes) -> Sent:
    try:
        tree = decode_tree(body)
    except DecodeError as exc:
        raise Refusal(400, exc.reason, exc.path) from exc
    if type(tree) is not list:
        raise Refusal(400, "a batch is a list of events", "$")
    if len(tree) > MOST_EVENTS:
        raise Refusal(413, f"a batch has at most {MOST_EVENTS} events")
    return [(msgspec.json.encode(event), None) for event in tree]


def _attributes(request: Request) -> dict[str, str]:
    """The attributes of binary mode; what is not plain ASCII is percent-encoded (CloudEvents HTTP binding 3.1.3.2)."""
    found: dict[str, str] = {}
    for name, value in request.headers.items():
        if not name.startswith("ce-"):
            continue
        if (key := name.removeprefix("ce-")) in found:
            raise Refusal(400, "this header stands twice", f"$.{key}")
        try:
            found[key] = unquote(value, errors="strict")
        except UnicodeDecodeError as exc:
            raise Refusal(400, "percent-encode it as UTF-8", f"$.{key}") from exc
    return found


def _answer(taken: Taken) -> tuple[int, dict[str, str]]:
    status, state = _STATES.get(taken.verdict, (202, taken.verdict))
    if taken.trouble is not None:
        return status, {"error": taken.trouble["reason"], "path": taken.trouble["path"]}
    said = {"state": state, "order": taken.order, "current": taken.current, "reason": taken.reason}
    return status, {key: value for key, value in said.items() if value}
