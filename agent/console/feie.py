"""Feieyun's interface, as its integrators use it: `POST /Api/Open/`. What they print, prints here.

A request is a form with user, stime (unix seconds), sig (sha1 of user, UKEY and stime, in hex) and apiname. Answers are
always HTTP 200, with `ret` 0 or an error. Content becomes print.raw in the dialect feie at the station of its SN. The
same user, stime, sn, times and content again is the same print: it gets the same order id, and no second ticket. No
field of the interface tells a client that asks again from one that wants two, so that is logged, counted and answered.
"""

import hashlib
import hmac
from collections.abc import Awaitable, Callable, Mapping
from contextlib import closing
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from agent import log
from agent.config.console import Feie
from agent.console.app import address_of, read_body, say
from agent.console.form import read_form
from agent.console.porter import Porter
from agent.console.rooms import Refusal, Rooms
from agent.console.throttle import Throttle
from agent.errors import ConfigError
from agent.intake.strictjson import MAX_BYTES
from agent.journal import local, orders
from agent.model.order import MAX_RAW_COPIES, raw_channel

SOURCE = "//feie.local/print"
SKEW_S = 600
SMALL_BYTES, MOST_LARGE = 64 * 1024, 8
"""Bodies up to this size are always read; of larger ones so many at once, of 1 MiB at most."""
AGAIN, PARAMETER, SIGNATURE, NOT_YOURS = -1, -2, -3, 1002
"""Values of `ret`. -2, -3 and 1002 as Feieyun answers them; -1 is ours: nothing is wrong with it, send it again."""
ONLINE, TROUBLE, OFFLINE = "在线，工作状态正常", "在线，工作状态不正常", "离线"
REPEATED = "ok，重复的请求：只打印一次；要再打印，请换 stime 或用 times. The same request again: printed once."
_EMPTY = '参数错误 : 参数值不能传空字符，""、"null"、"undefined".'
_BEIJING = timezone(timedelta(hours=8))
_log = log.get("console")
Form = Mapping[str, str]


class No(Exception):
    """An answer with an error: `ret` and `msg`."""

    def __init__(self, ret: int, msg: str) -> None:
        super().__init__(msg)
        self.ret, self.msg = ret, msg


class Done(msgspec.Struct, frozen=True):
    """What a call answers."""

    data: Any
    msg: str = "ok"


class FeieDoor:
    """The interface, for one account. `repeated` is told the station of each print that came before."""

    def __init__(self, settings: Feie, rooms: Rooms, porter: Porter, repeated: Callable[[str], None]) -> None:
        self._settings = settings
        self._stations = {printer.sn: printer.station for printer in settings.printers}
        self._rooms = rooms
        self._porter = porter
        self._repeated = repeated
        self._throttle = Throttle(rooms.clock)
        self._large = 0
        self._calls: dict[str, Callable[[Form], Awaitable[Done]]] = {
            "open_printmsg": self._print,
            "open_queryorderstate": self._order_state,
            "open_queryprinterstatus": self._printer_status,
            "open_delprintersqs": self._clear,
        }

    def routes(self) -> list[BaseRoute]:
        """For the application. Newer clients write the call's name behind the path."""
        paths = ("/Api/Open/", "/Api/Open", "/Api/Open/{name}")
        return [Route(path, self._post, methods=["POST"]) for path in paths]

    async def _post(self, request: Request) -> Response:
        began = self._rooms.clock.monotonic()
        try:
            done = await self._call(request, await self._body(request))
            said = {"msg": done.msg, "ret": 0, "data": done.data}
        except No as exc:
            said = {"msg": exc.msg, "ret": exc.ret, "data": None}
        except Refusal as exc:
            said = {"msg": f"暂时不能接收，请稍后重试 : {exc.reason}", "ret": AGAIN, "data": None}
        spent_ms = int(1000 * (self._rooms.clock.monotonic() - began))
        return say({**said, "serverExecutedTime": spent_ms})

    async def _body(self, request: Request) -> bytes:
        """Read before anybody knows who sent it: what is large, or does not say how large, is taken of a few at once.

        Raises:
            Refusal: it is too large, too slow, or one too many.
        """
        length = request.headers.get("content-length", "")
        if length.isascii() and length.isdigit() and len(length) <= 9 and int(length) <= SMALL_BYTES:
            return await read_body(request, SMALL_BYTES)
        if self._large >= MOST_LARGE:
            raise Refusal(503, "同时收到的大单太多")
        self._large += 1
        try:
            return await read_body(request, 4 * MAX_BYTES)
        finally:
            self._large -= 1

    async def _call(self, request: Request, body: bytes) -> Done:
        try:
            form = read_form(request.headers.get("content-type", ""), body)
        except ValueError as exc:
            raise No(PARAMETER, "参数错误 : 表单无法读取，请用 UTF-8 编码的表单.") from exc
        self._check_signature(request, form)
        name = form.get("apiname") or f"Open_{request.path_params.get('name', '')}"
        call = self._calls.get(name.lower())
        if call is None:
            known = "Open_printMsg, Open_queryOrderState, Open_queryPrinterStatus, Open_delPrinterSqs"
            raise No(PARAMETER, f"参数错误 : 本机没有接口 {name[:50]!r}，只有 {known}.")
        return await call(form)

    def _check_signature(self, request: Request, form: Form) -> None:
        address = address_of(request)
        try:
            ukey = self._settings.ukey()
        except ConfigError as exc:
            _log.error("console.ukey_unreadable", reason=str(exc))
            raise Refusal(503, "UKEY 文件无法读取") from exc
        user, stime, sig = (form.get(name, "") for name in ("user", "stime", "sig"))
        right = hashlib.sha1(f"{user}{ukey}{stime}".encode()).hexdigest()
        signed = hmac.compare_digest(right.encode(), sig.strip().lower().encode())
        if user != self._settings.user or not ukey or not signed:
            self._throttle.check(address)
            self._throttle.failed(address)
            _log.warning("console.signature_wrong", address=address)
            if user != self._settings.user:
                raise No(PARAMETER, "参数错误 : 该帐号未注册.")
            raise No(SIGNATURE, "验证失败 : 签名错误.")
        self._check_time(stime)

    def _check_time(self, stime: str) -> None:
        """An old signature is no signature; but a box that does not know the time must not judge by it."""
        if not (stime.isascii() and stime.isdigit() and len(stime) == 10):
            raise No(PARAMETER, "参数错误 : stime 应为 10 位 UNIX 时间戳.")
        away_s = abs(int(stime) - self._rooms.clock.utc().timestamp())
        if self._rooms.synchronised() and away_s > SKEW_S:
            raise No(PARAMETER, f"参数错误 : stime 与当前时间相差 {away_s:.0f} 秒，请校准时间.")

    # -- the calls -------------------------------------------------------------------------------------------------

    async def _print(self, form: Form) -> Done:
        station, content, times = self._station(form), _given(form, "content"), form.get("times") or "1"
        if not (times.isascii() and times.isdigit() and len(times) <= 5 and 1 <= int(times) <= MAX_RAW_COPIES):
            raise No(PARAMETER, f"参数错误 : times 应为 1 到 {MAX_RAW_COPIES}.")
        self._check_expiry(form.get("expired") or "0")
        order_id = _order_id(form, times, content)
        raw = {"dialect": "feie", "content": content, "station": station, "copies": int(times)}
        event = {"specversion": "1.0", "id": order_id, "source": SOURCE, "type": "print.raw", "data": {"raw": raw}}
        try:
            payload = msgspec.json.encode(event)
        except UnicodeEncodeError as exc:
            raise No(PARAMETER, "参数错误 : content 里有半个字符.") from exc
        (taken,) = await self._porter.bring([(payload, None)])
        if taken.trouble is not None:
            raise No(PARAMETER, f"参数错误 : {taken.trouble['reason']}")
        if taken.verdict != "duplicate_dropped":
            return Done(order_id)
        _log.warning("console.print_repeated", order=order_id, station=station)
        self._repeated(station)
        return Done(order_id, REPEATED)

    def _check_expiry(self, expired: str) -> None:
        """What is over already is not printed. What is accepted is, or a person is asked: nothing vanishes later."""
        if not (expired.isascii() and expired.isdigit() and len(expired) <= 12):
            raise No(PARAMETER, "参数错误 : expired 应为 10 位 UNIX 时间戳.")
        if 0 < int(expired) < self._rooms.clock.utc().timestamp() and self._rooms.synchronised():
            raise No(PARAMETER, "参数错误 : 订单已过失效时间(expired)，没有打印.")

    async def _order_state(self, form: Form) -> Done:
        """Is it on paper?"""
        order_id = _given(form, "orderid")
        known = await run_in_threadpool(self._find, order_id)
        if known is None:
            raise No(PARAMETER, "参数错误 : 没有找到该订单.")
        return Done(known.state == "printed")

    def _find(self, order_id: str) -> orders.KnownOrder | None:
        with closing(self._rooms.journal.reader()) as reader:
            return orders.find_order(reader, raw_channel(SOURCE), order_id)

    async def _printer_status(self, form: Form) -> Done:
        printer = self._rooms.printers_of.get(self._station(form))
        worker = self._rooms.workers.get(printer or "")
        state = "away" if worker is None else worker.seen()["state"]
        return Done(ONLINE if state == "ready" else OFFLINE if state in ("away", "connecting") else TROUBLE)

    async def _clear(self, form: Form) -> Done:
        """What came by this door for this printer, and of which no byte went out, is not printed any more."""
        station = self._station(form)
        count = await self._porter.write(lambda tx: local.discard_waiting(tx, SOURCE, station, "Open_delPrinterSqs"))
        _log.info("console.queue_cleared", station=station, tickets=count)
        return Done(True)

    def _station(self, form: Form) -> str:
        station = self._stations.get(_given(form, "sn"))
        if station is None:
            raise No(NOT_YOURS, "验证失败 : 打印机编号和用户不匹配.")
        return station


def _given(form: Form, name: str) -> str:
    value = form.get(name, "")
    if value.strip() in ("", "null", "undefined"):
        raise No(PARAMETER, _EMPTY)
    return value


def _order_id(form: Form, times: str, content: str) -> str:
    """SN, moment and number, as Feieyun's look; the same request has the same."""
    sn, stime = form["sn"], form["stime"]
    digest = hashlib.sha256("\0".join((form["user"], stime, sn, times, content)).encode("utf-8", "replace")).digest()
    moment = datetime.fromtimestamp(int(stime), UTC).astimezone(_BEIJING)
    return f"{sn}_{moment:%Y%m%d%H%M%S}_{int.from_bytes(digest[:8]) % 10**15}"
