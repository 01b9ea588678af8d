"""Setting a printer up: adding one, its name, its width and characters by a printed page, and taking it away. What is
saved stands in the configuration's file, and the agent starts anew with it.
"""

from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import anyio.to_thread
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from agent.config import Config, Printer, edits
from agent.console.change import Changes
from agent.console.pages import fields
from agent.console.printerforms import (
    CHOICES,
    FAMILIES,
    NAMES,
    Problem,
    as_sent,
    chosen_name,
    extras_problem,
    link_of,
    link_problem,
    name_problem,
    wrong_value,
)
from agent.console.printers import uses, waiting_for
from agent.journal import renames
from agent.model.link import BAUDS
from agent.model.papertest import RULERS, SAMPLES, charset_of, width_of
from agent.model.profile import PROFILES

if TYPE_CHECKING:
    from agent.console.window import View

_LIST = "/printers"


class PrinterSetup:
    """Each form with what it does."""

    def __init__(self, view: "View") -> None:
        self._view = view
        self._changes = Changes(view)

    def routes(self) -> list[BaseRoute]:
        """For the application."""
        return [
            Route("/printers/add", self._new, methods=["GET"]),
            Route("/printers/add", self._add, methods=["POST"]),
            Route("/printers/settings", self._settings, methods=["GET"]),
            Route("/printers/set", self._set, methods=["POST"]),
            Route("/printers/rename", self._rename, methods=["POST"]),
            Route("/printers/remove", self._remove, methods=["POST"]),
            Route("/printers/paper", self._paper, methods=["GET"]),
            Route("/printers/paper", self._read, methods=["POST"]),
        ]

    # -- a new one -----------------------------------------------------------------------------------------------------

    def _new(self, request: Request) -> Response:
        """The form for what was found at a `link`, or for an address that is typed."""
        query = request.query_params
        taken = {each.name for each in self._config.printers}
        width = query.get("width", "")
        link = query.get("link", "")
        known: dict[str, Any] = {
            "link": link,
            "problem": link_problem(link_of({"link": link, "baud": "9600"}), self._config.printers) if link else None,
            "calls_itself": query.get("name", "")[:80],
            "names": [name for name in NAMES if name not in taken],
            "width": width if width in CHOICES["width"] else "",
            "profile": query.get("profile", "generic"),
            "families": FAMILIES,
            "bauds": BAUDS,
        }
        return self._view.pages.page(request, "printers-add.html", **known)

    async def _add(self, request: Request) -> Response:
        sent = dict(await fields(request))
        name, link = chosen_name(sent), link_of(sent)
        settings = {"width": sent.get("width") or "48", "profile": sent.get("profile") or "generic"}
        if (
            problem := self._name_problem(name)
            or link_problem(link, self._config.printers)
            or wrong_value(settings, {})
        ):
            return self._view.pages.said(request, False, *problem, 422)
        unusual = {key: value for key, value in settings.items() if value not in ("48", "generic")}
        return await self._changes.save(
            request, lambda tree: edits.add_printer(tree, name, link, **unusual), _page("paper", name)
        )

    # -- its settings --------------------------------------------------------------------------------------------------

    def _settings(self, request: Request) -> Response:
        printer = self._named(request.query_params.get("printer", ""))
        if printer is None:
            return self._view.pages.page(request, "gone.html", 404, back=_LIST)
        config = self._config
        others = [each.name for each in config.printers if each.name != printer.name]
        taken = {each.name for each in config.printers}
        known: dict[str, Any] = {
            "printer": printer,
            "is_set": as_sent(printer),
            "widths": sorted({*RULERS, printer.width}),
            "families": FAMILIES,
            "buzzers": [name for name, profile in PROFILES.items() if profile.buzzer != "none"],
            "uses": uses(config.effective_stations(), printer.name),
            "waiting": waiting_for(self._view, printer.name),
            "others": others,
            "names": [name for name in NAMES if name not in taken],
        }
        return self._view.pages.page(request, "printers-settings.html", **known)

    async def _set(self, request: Request) -> Response:
        sent = dict(await fields(request))
        printer = self._named(sent.get("printer", ""))
        if printer is None:
            return self._gone(request)
        is_set = as_sent(printer)
        wanted = {name: sent.get(name, "false" if name in ("beep", "drawer") else is_set[name]) for name in CHOICES}
        if problem := wrong_value(wanted, is_set) or extras_problem(wanted):
            return self._view.pages.said(request, False, *problem, 422)
        changed: dict[str, Any] = {name: value for name, value in wanted.items() if value != is_set[name]}
        return await self._change(request, printer, changed, _LIST)

    async def _change(self, request: Request, printer: Printer, changed: dict[str, Any], to: str) -> Response:
        """The dots that were typed for another width do not outlive it."""
        more = {"dots": None} if "width" in changed else {}
        settings = {**changed, **more}
        return await self._changes.save(request, lambda tree: edits.change_printer(tree, printer.name, **settings), to)

    async def _rename(self, request: Request) -> Response:
        sent = dict(await fields(request))
        old, new = sent.get("printer", ""), chosen_name(sent)
        if self._named(old) is None:
            return self._gone(request)
        if problem := self._name_problem(new) or await self._paused(old) or await self._busy(old):
            return self._view.pages.said(request, False, *problem, 409)

        def change(tree: Any) -> None:
            edits.rename_printer(tree, old, new)
            self._view.rooms.journal.write(lambda tx: renames.note(tx, "printer", old, new))

        return await self._changes.save(request, change, _LIST)

    async def _remove(self, request: Request) -> Response:
        """Its tickets move to the `heir`, who prints for its stations from now on."""
        sent = dict(await fields(request))
        name, heir = sent.get("printer", ""), sent.get("heir", "")
        if self._named(name) is None or (heir and (heir == name or self._named(heir) is None)):
            return self._gone(request)
        problem = await self._busy(name)
        if not problem and not heir and (waiting := await anyio.to_thread.run_sync(waiting_for, self._view, name)):
            problem = (
                f"还有 {len(waiting)} 张小票在等它：先选以后由谁打印",
                f"{len(waiting)} tickets wait for it: choose who prints them",
            )
        if problem:
            return self._view.pages.said(request, False, *problem, 409)

        def change(tree: Any) -> None:
            if heir:
                edits.put_station(tree, self._config.effective_stations()[0].name)  # the implicit one stays
            edits.remove_printer(tree, name, heir or None)
            if heir:
                self._view.rooms.journal.write(lambda tx: renames.note(tx, "heir", name, heir))

        return await self._changes.save(request, change, _LIST)

    # -- its paper -----------------------------------------------------------------------------------------------------

    def _paper(self, request: Request) -> Response:
        """Print the page, and say what stands on it."""
        printer = self._named(request.query_params.get("printer", ""))
        if printer is None:
            return self._view.pages.page(request, "gone.html", 404, back=_LIST)
        return self._view.pages.page(request, "printers-paper.html", printer=printer, rulers=RULERS, samples=SAMPLES)

    async def _read(self, request: Request) -> Response:
        """What was read off the page: `ruler` once, `sample` for each line that is right."""
        sent = await fields(request)
        printer = self._named(dict(sent).get("printer", ""))
        if printer is None:
            return self._gone(request)
        width = width_of({ruler for ruler in RULERS if ("ruler", str(ruler)) in sent})
        readable = {letter for letter in SAMPLES if ("sample", letter) in sent}
        if not width or not readable:
            zh, en = (
                "请回答两个问题（C 行是画出来的，总能看清）",
                "answer both questions (line C is drawn, and always right)",
            )
            return self._view.pages.said(request, False, zh, en, 422)
        is_set = as_sent(printer)
        wanted = {"width": str(width), "charset": charset_of(readable)}
        changed = {name: value for name, value in wanted.items() if value != is_set[name]}
        return await self._change(request, printer, changed, _page("settings", printer.name))

    # -- what all of them need -----------------------------------------------------------------------------------------

    @property
    def _config(self) -> Config:
        return self._view.window.config()

    def _named(self, name: str) -> Printer | None:
        return next((each for each in self._config.printers if each.name == name), None)

    def _gone(self, request: Request) -> Response:
        return self._view.pages.said(request, False, "没有这台打印机，请刷新", "no such printer; reload the page", 404)

    def _name_problem(self, name: str) -> Problem:
        if any(each.name == name for each in self._config.printers):
            return (f"已经有一台叫 {name}，换个名字", f"one is called {name} already; choose another name")
        return name_problem(name)

    async def _paused(self, name: str) -> Problem:
        """Who paused it did so by its name, and would not find it again."""
        overview = await anyio.to_thread.run_sync(self._view.window.overview)
        if any(each.name == name and each.paused for each in overview.printers):
            return (f"{name} 已暂停：先继续打印再改名", f"{name} is paused: let it go on before it is renamed")
        return None

    async def _busy(self, name: str) -> Problem:
        """A ticket that is in the printer can't be asked about under another name."""
        waiting = await anyio.to_thread.run_sync(waiting_for, self._view, name)
        if any(each.sent and each.printer == name for each in waiting):
            return (
                f"{name} 正在打印，或有一张小票不确定是否打出：先处理那一张",
                f"{name} is printing, or has a ticket in doubt: settle that first",
            )
        return None


def _page(which: str, name: str) -> str:
    return f"/printers/{which}?{urlencode({'printer': name})}"
