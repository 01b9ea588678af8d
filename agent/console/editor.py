"""Templates: what tickets look like. Who writes one sees it as paper meanwhile; what is wrong is never saved."""

import base64
from contextlib import closing
from typing import TYPE_CHECKING, Any
from zlib import crc32

import anyio
import anyio.to_thread
import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from agent.config import Printer
from agent.console.app import address_of
from agent.console.designs import PARTS, TEMPLATES, Design
from agent.console.pages import fields, words
from agent.console.twowords import of_template
from agent.errors import CommandRefused, TooLong
from agent.journal import jobs
from agent.journal.tickets import NO_TICKET, Seen
from agent.model.link import parse_link
from agent.model.ticket import Language
from agent.spool import drafts
from agent.spool.drafts import Draft
from agent.spool.ownfiles import OwnFiles, digest
from agent.tickets.engine import TemplateError
from agent.tickets.sample import samples
from agent.tickets.template import Book

if TYPE_CHECKING:
    from agent.console.window import View

MOST_FORM = 1 << 20
"""Bytes: a Chinese character takes nine in a form. Who pastes far too much is told so in words."""
WIDTHS = (32, 48)
_LONGEST = 300


class Editor:
    """The list, a page for each template, and what is asked of them. One picture is made at a time."""

    def __init__(self, view: "View") -> None:
        self._view = view
        window = view.window
        self.files = OwnFiles(window.shelf, window.config().data_dir, self._used)
        self._limit: anyio.CapacityLimiter | None = None

    def routes(self) -> list[BaseRoute]:
        """For the application."""
        return [
            Route("/templates", self._list, methods=["GET"]),
            Route("/templates/edit", self._edit, methods=["GET"]),
            Route("/templates/look", self._look, methods=["GET"]),
            Route("/templates/try", self._try, methods=["POST"]),
            Route("/templates/save", self._save, methods=["POST"]),
            Route("/templates/remove", self._remove, methods=["POST"]),
        ]

    # -- the list ----------------------------------------------------------------------------------------------------

    def _list(self, request: Request) -> Response:
        shelf = self._view.window.shelf
        book, problems, own, used = shelf.book(), shelf.problems(), self.files.names(), self._used()
        names = [*TEMPLATES, *sorted(name for name in own if name not in TEMPLATES and name not in PARTS)]
        known = [Design(name, name in own, used.get(name, []), problems.get(name, "")) for name in names]
        parts = [Design(name, name in own, [], problems.get(name, "")) for name in PARTS]
        pictures = sorted(name for name in book.images if "." in name)
        edition = digest(repr((book.own, {name: crc32(book.images[name]) for name in pictures}, self._language())))
        return self._view.pages.page(
            request, "templates.html", designs=known, parts=parts, pictures=pictures, edition=edition,
            bases=list(TEMPLATES)[:4], said=words(request), folder=str(shelf.folder or ""),
        )  # fmt: skip

    async def _look(self, request: Request) -> Response:
        """How a template prints, as a picture."""
        name = request.query_params.get("name", "")
        return await self._apart(self._picture_of, request, name)

    def _picture_of(self, request: Request, name: str) -> Response:
        book = self._view.window.shelf.book()
        draft = self.files.draft(name, "")
        if f"{name}.j2" not in book.names:
            return self._gone(request)
        try:
            picture = drafts.sample(book, draft, 0, self._language(), self._widths()[0])
        except (TemplateError, TooLong):
            return self._gone(request)
        return Response(picture, media_type="image/png", headers={"cache-control": "private, max-age=86400"})

    # -- one of them -------------------------------------------------------------------------------------------------

    def _edit(self, request: Request) -> Response:
        """`?name=`; `like=` of ours, `copy=1` begins anew with that; `version=` is what it was before."""
        asked = request.query_params
        name, like, version = asked.get("name", "").strip(), asked.get("like", ""), asked.get("version", "")
        if not self.files.is_name(name) or (like and f"{like}.j2" not in drafts.shipped()):
            zh = "名字只用小写字母 a-z、数字、- 和 _，以字母或数字开头，最多 32 个"
            problem = words(request)(zh, "a name has a-z, 0-9, - and _ only, begins with a letter or digit; 32 at most")
            return self._view.pages.page(request, "templates-name.html", 422, problem=problem)
        now = self.files.text(name)
        is_number = version.isascii() and version.isdigit()
        text = self.files.version(name, int(version[:9])) if is_number else None
        if text is None:
            text = now if now is not None and not like else None
        if text is None:
            text = drafts.start_of(name, like or name, copy=bool(asked.get("copy")))
        draft = self.files.draft(name, text)
        return self._view.pages.page(
            request,
            "templates-edit.html",
            text=text,
            about=Design(name).about,
            is_ours=f"{name}.j2" in drafts.shipped(),
            widths=self._widths(),
            language=self._language(),
            samples=len(samples(drafts.SHOWN_IN if draft.is_part else name)),
            first=1 if name == "expo" else 0,
            tickets=self._real(draft),
            stations=self._used().get(name, []),
            **self._standing(name),
        )

    def _standing(self, name: str) -> dict[str, Any]:
        """What changes with each saving."""
        now = self.files.text(name)
        return {"design": name, "was": digest(now), "own": now is not None, "versions": self.files.versions(name)}

    async def _try(self, request: Request) -> Response:
        """What is typed, as paper; or what is wrong with it. Nothing is kept."""
        sent = dict(await fields(request, MOST_FORM))
        return await self._apart(self._tried, request, sent)

    def _tried(self, request: Request, sent: dict[str, str]) -> Response:
        draft = self.files.draft(sent.get("name", ""), _text(sent))
        if not self.files.is_name(draft.name):
            return self._gone(request)
        try:
            picture = self._drawn(self._book(draft), draft, sent)
        except TemplateError as exc:
            return self._wrong(request, draft, exc)
        except TooLong as exc:
            said = f"这张小票太长了：{exc}", f"the ticket is too long: {exc}"
            return self._view.pages.said(request, False, *said, 422)
        shown = base64.b64encode(picture).decode()
        return self._view.pages.page(request, "templates-shown.html", picture=shown)

    def _book(self, draft: Draft) -> Book:
        """All templates, with this one as it is typed. Raises TemplateError where it can't be used."""
        book = drafts.book_with(self._view.window.shelf.book(), draft)
        if problem := drafts.fault(book, draft):
            raise problem
        return book

    def _drawn(self, book: Book, draft: Draft, sent: dict[str, str]) -> bytes:
        width = next((each for each in self._widths() if str(each) == sent.get("width")), self._widths()[0])
        language = Language(said) if (said := sent.get("language", "")) in set(Language) else self._language()
        kind, _, number = sent.get("on", "").partition("-")
        which = int(number[:16]) if number.isascii() and number.isdigit() else 0
        if kind != "ticket" or which >= NO_TICKET:
            return drafts.sample(book, draft, which, language, width)
        with closing(self._view.rooms.journal.reader()) as reader:
            job = jobs.find(reader, which)
            if job is None:  # it was forgotten meanwhile
                return drafts.sample(book, draft, 0, language, width)
            printer = msgspec.structs.replace(self._printer(job.printer), width=width, dots=0)
            return drafts.real(self._view.window.press, book, draft, reader, job, printer, language)

    # -- changing them -----------------------------------------------------------------------------------------------

    async def _save(self, request: Request) -> Response:
        sent = dict(await fields(request, MOST_FORM))
        return await self._apart(self._saved, request, sent)

    def _saved(self, request: Request, sent: dict[str, str]) -> Response:
        draft = self.files.draft(sent.get("name", ""), _text(sent))
        if not self.files.is_name(draft.name):
            return self._gone(request)
        try:
            # TooLong: nobody could look at it
            drafts.sample(self._book(draft), draft, 0, self._language(), max(self._widths()))
            self.files.save(draft.name, draft.text, sent.get("was", ""), f"console {address_of(request)}")
        except TemplateError as exc:
            return self._wrong(request, draft, exc)
        except TooLong as exc:
            return self._view.pages.said(request, False, f"没有保存，太长了：{exc}", f"not saved: {exc}", 422)
        except CommandRefused as exc:
            return self._view.pages.said(request, False, f"没有保存：{exc.zh}", f"not saved: {exc}", 409)
        return self._view.pages.page(request, "templates-saved.html", **self._standing(draft.name))

    async def _remove(self, request: Request) -> Response:
        sent = dict(await fields(request))
        return await self._apart(self._removed, request, sent)

    def _removed(self, request: Request, sent: dict[str, str]) -> Response:
        name = sent.get("name", "")
        try:
            self.files.remove(name, f"console {address_of(request)}")
        except TemplateError as exc:
            said = f"没有删除：别的样式要用它：{exc}", f"not removed, another template needs it: {exc}"
            return self._view.pages.said(request, False, *said, 409)
        except CommandRefused as exc:
            return self._view.pages.said(request, False, f"没有删除：{exc.zh}", f"not removed: {exc}", 409)
        return Response(status_code=204, headers={"hx-redirect": "/templates"})

    # -- what all of them need ---------------------------------------------------------------------------------------

    async def _apart(self, work: Any, *asked: Any) -> Response:
        """On a thread; one at a time, whatever a template costs."""
        self._limit = self._limit or anyio.CapacityLimiter(1)
        answer: Response = await anyio.to_thread.run_sync(work, *asked, limiter=self._limit)
        return answer

    def _wrong(self, request: Request, draft: Draft, exc: TemplateError) -> Response:
        here = exc.file == draft.file
        lines = draft.text.splitlines()
        line = lines[exc.line - 1].strip()[:120] if here and 0 < exc.line <= len(lines) else ""
        said = exc.message.partition("\n")[0][:_LONGEST]  # below it Jinja repeats the line
        known = {"exc": exc, "said": said, "said_zh": of_template(said), "here": here, "line": line}
        return self._view.pages.page(request, "templates-wrong.html", 422, **known)

    def _gone(self, request: Request) -> Response:
        return self._view.pages.said(request, False, "没有这个样式，请刷新", "no such template; reload the page", 404)

    def _used(self) -> dict[str, list[str]]:
        """Which stations print by which template."""
        found: dict[str, list[str]] = {}
        for station in self._view.window.config().effective_stations():
            found.setdefault(station.template, []).append(station.name)
        return found

    def _widths(self) -> list[int]:
        """Those of the shop's printers first."""
        return list(dict.fromkeys([*(each.width for each in self._view.window.config().printers), *WIDTHS]))

    def _language(self) -> Language:
        return Language(self._view.window.config().language)

    def _printer(self, name: str) -> Printer:
        known = {printer.name: printer for printer in self._view.window.config().printers}
        return known.get(name) or Printer(name=name or "gone", link=parse_link("virtual://gone"))

    def _real(self, draft: Draft) -> list[Seen]:
        with closing(self._view.rooms.journal.reader()) as reader:
            return list(drafts.real_tickets(reader, self._view.window.shelf.book(), draft))


def _text(sent: dict[str, str]) -> str:
    """As a file has it: a form's line ends are two characters."""
    text = sent.get("text", "").replace("\r\n", "\n")
    return text if text.endswith("\n") or not text else text + "\n"
