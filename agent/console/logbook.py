"""Log: the last lines, who did what, and the support bundle to take away."""

from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import anyio.to_thread
import msgspec
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import BaseRoute, Route

from agent import people
from agent.config import changes
from agent.config.changes import Change, Setting
from agent.console.settingwords import EVENTS, Said, said
from agent.errors import AgentError
from agent.lastlines import Line
from agent.log import LEVELS
from agent.people import Deed

if TYPE_CHECKING:
    from agent.console.window import View

MOST_LINES, MOST_DEEDS = 200, 100
_LONGEST_WORD = 100
_TABS = ("people", "lines", "bundle")
_LOOK_AT = 2000
_TEMPLATES = "templates."
WORDS = {
    "config.changed": ("改了设置", "changed settings"),
    "template.made": ("新做了小票样式", "made a template or picture"),
    "template.changed": ("改了小票样式", "changed a template or picture"),
    "template.removed": ("删了小票样式", "removed a template or picture"),
    "console.signed_in": ("登录", "signed in"),
    "console.pin_wrong": ("密码输错", "typed a wrong PIN"),
    "console.code_wrong": ("代码输错", "typed a wrong code"),
    "console.pin_chosen": ("设了新密码", "chose a new PIN"),
    "finder.page_asked": ("让打印机打出名字", "had a printer print its name"),
    "control.ticket_settled": ("处理了一张存疑的小票", "settled a ticket in doubt"),
    "control.orders_released": ("放行了等待的订单", "let waiting orders print"),
    "control.orders_dropped": ("不打等待的订单", "dropped waiting orders"),
    "control.reprint_asked": ("要求补打", "asked for a reprint"),
    "control.ticket_moved": ("把小票换到别的打印机", "moved a ticket"),
    "control.ticket_retried": ("让小票马上重试", "had a ticket tried again"),
    "control.order_brought": ("送来一张单", "brought an order"),
    "control.printer_paused": ("暂停了打印机", "paused a printer"),
    "control.printer_resumed": ("让打印机继续", "let a printer go on"),
    "control.printer_accepted": ("认下了换上的打印机", "accepted another printer"),
    "control.errand_done": ("办了一件事", "had an errand done"),
}
"""What people do, in words; another event stands as it is."""

_REFUSED = ("送来一张单，被拒绝", "brought an order, which was refused")
_OLD = ("送来一张单，以前来过，没有打印", "brought an order that came before: not printed")
BROUGHT = {
    "order_accepted": ("打印了一张自己的单", "printed an order of their own"),
    "order_held": ("送来一张单，等人决定", "brought an order, which waits for a person"),
    "order_canceled": ("取消了一张单", "cancelled an order"),
    "duplicate_dropped": _OLD,
    "stale_dropped": _OLD,
    "order_refused_again": _REFUSED,
    "event_refused": _REFUSED,
    "event_conflict": _REFUSED,
    "event_parked": _REFUSED,
}
"""What became of an order that a person brought, by its verdict."""
_UNREAD = ("event", "verdict", "path")
"""What says nothing to a person, or is in the words already."""


class Row(msgspec.Struct, frozen=True):
    """Somebody did something: `facts` are names with values, `settings` what was changed from what to what."""

    at: str
    by: str
    what: tuple[str, str]
    facts: dict[str, str] = {}
    settings: list[Said] = []


class Logbook:
    """The page shows what people did; `?show=lines&level=warning&word=wok` some lines of the log."""

    def __init__(self, view: "View") -> None:
        self._view = view

    def routes(self) -> list[BaseRoute]:
        """For the application."""
        return [
            Route("/log", self._page, methods=["GET"]),
            Route("/log/board", self._page, methods=["GET"]),
            Route("/log/bundle", self._make_bundle, methods=["POST"]),
            Route("/log/bundle.zip", self._bundle, methods=["GET"]),
        ]

    async def _page(self, request: Request) -> Response:
        asked = request.query_params
        level = asked.get("level", "") if asked.get("level", "") in LEVELS else ""
        word, show = asked.get("word", "").strip()[:_LONGEST_WORD], asked.get("show", "")
        show = show if show in _TABS else "lines" if level else _TABS[0]
        known: dict[str, Any] = {"lines": [], "rows": [], "more": 0}
        if show == "people":
            known["rows"] = await anyio.to_thread.run_sync(rows, self._data_dir, word)
        elif show != "bundle":
            answer = await self._view.acts.run(request, "tail", {"last": _LOOK_AT})
            found = matching(msgspec.convert(answer["lines"], list[Line]), level, word)
            known |= {"lines": found[:MOST_LINES], "more": max(0, len(found) - MOST_LINES)}
        return self._view.pages.page(
            request,
            "log.html" if request.url.path == "/log" else "log-board.html",
            level=level,
            word=word,
            show=show,
            events=EVENTS,
            filters=urlencode({"show": show, "level": level, "word": word}),
            **known,
        )

    async def _make_bundle(self, request: Request) -> Response:
        """A new one; the answer has the link to it."""
        try:
            await self._view.acts.run(request, "bundle", {})
        except AgentError as exc:
            return self._view.pages.said(request, False, getattr(exc, "zh", "") or str(exc), str(exc), 409)
        return self._view.pages.page(request, "log-bundle.html")

    def _bundle(self, request: Request) -> Response:
        """The newest, wherever it came from."""
        made = sorted((self._data_dir / "bundles").glob("*.zip"), key=lambda file: file.stat().st_mtime_ns)
        if not made:
            return self._view.pages.said(request, False, "还没有支持包：先生成", "there is none yet: make one", 404)
        return FileResponse(made[-1], media_type="application/zip", filename=made[-1].name)

    @property
    def _data_dir(self) -> Path:
        return self._view.window.config().data_dir


def matching(lines: list[Line], level: str, word: str) -> list[Line]:
    """The lines of this level and above that say this word, the newest first."""
    ranks = {name: rank for rank, name in enumerate((*LEVELS, "critical"))}
    least, said = ranks.get(level, 0), word.casefold()
    return [line for line in reversed(lines) if ranks.get(line.level, 0) >= least and said in line.text.casefold()]


def rows(data_dir: Path, word: str = "") -> list[Row]:
    """What people changed and did, the newest first."""
    found = [_changed(each) for each in changes.changes(data_dir, MOST_DEEDS)]
    found += [_done(each) for each in people.deeds(data_dir, MOST_DEEDS)]
    found.sort(key=lambda row: row.at, reverse=True)
    return [row for row in found if word.casefold() in _text(row).casefold()][:MOST_DEEDS]


def _done(deed: Deed) -> Row:
    """Of an order that was refused it is said where it is wrong."""
    zh, en = BROUGHT.get(deed.fields.get("verdict", "")) or WORDS.get(deed.what, (deed.what, deed.what))
    where = deed.fields.get("path", "")
    facts = {name: value for name, value in deed.fields.items() if name not in _UNREAD}
    return Row(deed.at, deed.by, (f"{zh}：{where}", f"{en}: {where}") if where else (zh, en), facts)


def _changed(change: Change) -> Row:
    """Of a template or a picture it is said which, and not how many bytes it has."""
    first = change.settings[0] if change.settings else Setting(field="")
    if not first.field.startswith(_TEMPLATES):
        return Row(change.at, change.by, WORDS["config.changed"], settings=[said(each) for each in change.settings])
    what = "removed" if not first.now else "changed" if first.was else "made"
    return Row(change.at, change.by, WORDS[f"template.{what}"], {"file": first.field.removeprefix(_TEMPLATES)})


def _text(row: Row) -> str:
    """All that a person may look for."""
    facts = [f"{name}={value}" for name, value in row.facts.items()]
    changed = [" ".join((*each.field, *each.was, *each.now)) for each in row.settings]
    return " ".join([row.by, *row.what, *facts, *changed])
