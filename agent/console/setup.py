"""Set-up: from a new box to the first order on paper, and what is set later. Each step says whether it is done."""

import uuid
from contextlib import closing
from typing import TYPE_CHECKING, Any
from zoneinfo import available_timezones

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from agent import log
from agent.clock import stamp
from agent.config import Broker, Config, pairing
from agent.config.edits import NEW_SHOP, no_broker, set_broker, set_group, set_shop
from agent.config.write import Wanted, fresh, secret
from agent.console.app import address_of
from agent.console.change import Changes
from agent.console.pages import fields
from agent.console.rooms import Refusal
from agent.console.twowords import parted
from agent.errors import AgentError, ConfigError
from agent.journal import orders
from agent.model.address import parse_broker_url
from agent.model.preset import PRESETS

if TYPE_CHECKING:
    from agent.console.window import View

PAGE, DEMO = "/setup", "demo"
_NEAR = ("Asia/Shanghai", "Asia/Hong_Kong", "Asia/Taipei", "Asia/Singapore", "Asia/Urumqi")
_SWITCHES = {
    "printing.unconfirmed": ("reprint", "ask"),
    "printing.ready_code": ("false", "true"),
    "intake.old": ("ask", "print"),
    "console.public": ("state", "nothing"),
}
"""Settings that are chosen by a tap: each with what it may be."""
_log = log.get("console")


class SetUp:
    """The page and what its forms do."""

    def __init__(self, view: "View") -> None:
        self._view = view
        self._changes = Changes(view)

    def routes(self) -> list[BaseRoute]:
        """For the application."""
        return [
            Route(PAGE, self._page, methods=["GET"]),
            Route("/setup/steps", self._steps, methods=["GET"]),
            Route("/setup/shop", self._shop, methods=["POST"]),
            Route("/setup/cloud", self._cloud, methods=["POST"]),
            Route("/setup/switch", self._switch, methods=["POST"]),
            Route("/setup/demo", self._demo, methods=["POST"]),
        ]

    # -- looking -------------------------------------------------------------------------------------------------------

    def _page(self, request: Request) -> Response:
        zones = sorted(available_timezones(), key=lambda zone: (zone not in _NEAR, zone))
        own = self._view.rooms.clock.utc().astimezone().strftime("%Z")
        known: dict[str, Any] = {"zones": zones, "own_zone": own, "presets": sorted(PRESETS)}
        return self._view.pages.page(request, "setup.html", **known, **self._known())

    def _steps(self, request: Request) -> Response:
        """The part that is asked for again with each change."""
        return self._view.pages.page(request, "setup-steps.html", **self._known())

    def _known(self) -> dict[str, Any]:
        config, now = self._view.window.config(), self._view.window.overview()
        with closing(self._view.rooms.journal.reader()) as reader:
            tried = orders.was_one_printed(reader)
        steps = {
            "shop": config.shop != NEW_SHOP,
            "printers": bool(config.printers)
            and all(each.state == "ready" and not each.paused for each in now.printers),
            "demo": tried,
            "cloud": now.line.state == "up",
        }
        chosen = {name: _value(config, name) for name in _SWITCHES}
        return {"config": config, "now": now, "steps": steps, "switches": _SWITCHES, "chosen": chosen}

    # -- doing ---------------------------------------------------------------------------------------------------------

    async def _shop(self, request: Request) -> Response:
        """What the shop is called, its language and time zone."""
        sent = dict(await fields(request))

        settings = {name: sent[name].strip() or None for name in ("shop", "language", "timezone") if name in sent}
        return await self._changes.save(request, lambda tree: set_shop(tree, **settings), PAGE)

    async def _switch(self, request: Request) -> Response:
        """One setting of `_SWITCHES`."""
        name, value = next(iter(await fields(request)), ("", ""))
        if value not in _SWITCHES.get(name, ()):
            return self._view.pages.said(request, False, "没有这个设置", "there is no such setting", 422)
        group, _, key = name.partition(".")
        return await self._changes.save(request, lambda tree: set_group(tree, group, **{key: value}), PAGE)

    async def _cloud(self, request: Request) -> Response:
        """A pairing token, or its parts; `off` cuts the shop from the cloud."""
        sent = {name: value.strip() for name, value in await fields(request)}
        if sent.get("off"):
            return await self._changes.save(request, no_broker, PAGE)
        try:
            wanted = _line(sent, self._view.window.config().broker)
        except AgentError as exc:
            return self._view.pages.said(request, False, *parted(str(exc)), 422)
        _log.warning("console.cloud_changed", address=address_of(request))
        return await self._changes.save(request, wanted.change, PAGE, wanted.beside)

    async def _demo(self, request: Request) -> Response:
        """An order as it would come from the cloud, on the very way that orders go."""
        shop = self._view.window.config().shop
        event = demo_event(shop, stamp(self._view.rooms.clock.utc()))
        try:
            (taken,) = await self._view.porter.bring([(event, None)])
        except Refusal as exc:
            return self._view.pages.said(request, False, exc.reason, exc.reason, exc.status)
        if taken.trouble is not None:
            reason = taken.trouble["reason"]
            return self._view.pages.said(request, False, reason, reason, 500)
        zh, en = "示例订单已收下：请看打印机", "the demo order is taken: look at the printer"
        return self._view.pages.said(request, True, zh, en)


def demo_event(shop: str, now: str) -> bytes:
    """An order that nobody has to cook, and says so."""
    number = uuid.uuid4().hex[:12]
    items = [
        {"id": "1", "name": "豆浆", "name2": "Soy milk", "qty": "2", "unit": "杯", "note": "不要糖", "price": 300},
        {"id": "2", "name": "小笼包", "name2": "Dumplings", "qty": "1", "unit": "笼", "price": 1200},
        {"id": "3", "name": "茶叶蛋", "name2": "Tea egg", "qty": "3", "price": 200},
    ]
    order = {
        **{"id": f"demo-{number}", "rev": 1, "channel": DEMO, "no": "DEMO", "fulfil": "dine_in", "table": "8"},
        **{"placed_at": now, "note": "示例，不用做 a demo: do not cook", "items": items, "paid": True},
    }
    event = {"specversion": "1.0", "id": number, "source": f"//box/{shop}/demo", "type": "order.upsert"}
    return msgspec.json.encode({**event, "time": now, "data": {"order": order}})


def _line(sent: dict[str, str], before: Broker | None) -> Wanted:
    """How the configuration changes. Raises ConfigError."""
    if sent.get("token"):
        found = pairing.read_token(sent["token"])
        _keep_home(found.url, before, file_goes=False)
        return pairing.wanted(found)
    if not sent.get("url"):
        raise ConfigError("请填云端地址或配对码 type the cloud's address, or paste a pairing token")
    password, file = sent.get("password"), fresh(pairing.PASSWORD)
    _keep_home(sent["url"], before, file_goes=not password)
    settings = {name: sent[name] or None for name in ("username", "preset") if name in sent}

    def change(tree: Any) -> None:
        set_broker(tree, sent["url"], file if password else None, **settings)

    return Wanted(change, {file: secret(password)} if password else {})


def _keep_home(url: str, before: Broker | None, *, file_goes: bool) -> None:
    """A password is for the broker that it was given for: nobody on a page may have it sent to another.

    Raises:
        ConfigError: it would be; the text says what to do.
    """
    if before is None or parse_broker_url(url) == parse_broker_url(before.url):
        return
    source = before.password_source()
    if source not in ("none", f"password_file {before.password_file}"):
        raise ConfigError(
            f"密码来自 {source}，换地址请在盒子上改 the password comes from {source}: change the address at the box"
        )
    if source != "none" and file_goes:
        raise ConfigError("换了地址，请再输入密码 this is another address: type the password again")


def _value(config: Config, name: str) -> str:
    group, _, key = name.partition(".")
    found = getattr(getattr(config, group), key, "")
    return str(found).lower() if isinstance(found, bool) else str(found)
