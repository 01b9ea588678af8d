"""Signing in: the PIN, or the code that stands on a ticket. Nobody owns the box by being its first visitor.

A code is printed where only the shop's people see it. Who guesses is turned away for a quarter of an hour, and when
many guess, a person is told.
"""

import asyncio
from collections.abc import Callable
from functools import partial

import anyio.to_thread
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from agent import log
from agent.clock import Clock
from agent.console.access import Access, pin_problem
from agent.console.app import address_of
from agent.console.pages import Pages, fields, words
from agent.console.rights import CLAIM, COOKIE, SIGN_IN, local
from agent.console.rooms import Refusal
from agent.console.throttle import Throttle

MOST_WRONG, WRONG_S = 5, 900.0
MANY_WRONG, BRAKE_S = 20, 10.0
"""After so many wrong PINs, whosever they are, one is tried each so many seconds."""
CODE_FOR_S = 900.0
"""So long the same code is printed again: whoever taps makes no older paper void."""
CODE_EACH_S, MOST_CODES, CODES_S = 20.0, 10, 3600.0
_YEAR_S = 365 * 86_400
_WAIT = ("试错太多次：请等 15 分钟，或在小票上打印新代码", "too many wrong tries: wait 15 minutes, or print a code")
_log = log.get("console")


class Door:
    """`print_code` prints a ticket with the code that it asks for and returns where, or raises Refusal; `suspect` is
    told how many wrong PINs came since the last right one, when they are many, and 0 when it is over;
    `first` is the page that a new owner comes to.
    """

    def __init__(
        self,
        pages: Pages,
        access: Access,
        clock: Clock,
        print_code: Callable[[Callable[[], str]], str],
        suspect: Callable[[int], None],
        first: Callable[[], str] = lambda: "/",
    ) -> None:
        self._pages = pages
        self._access = access
        self._clock = clock
        self._print_code = print_code
        self._suspect, self._first = suspect, first
        self._pins, self._codes = Throttle(clock, MOST_WRONG, WRONG_S), Throttle(clock, MOST_WRONG, WRONG_S)
        self._one = asyncio.Lock()  # scrypt takes memory
        self._wrong, self._tried_at = 0, -BRAKE_S
        self._printed_code, self._issued_at = "", 0.0
        self._printed: list[float] = []

    def routes(self) -> list[BaseRoute]:
        """For the application."""
        return [
            Route(SIGN_IN, self._show_sign_in, methods=["GET"]),
            Route(SIGN_IN, self._sign_in, methods=["POST"]),
            Route(CLAIM, self._show_claim, methods=["GET"]),
            Route(CLAIM, self._claim, methods=["POST"]),
            Route("/claim/code", self._code, methods=["POST"]),
            Route("/sign-out", self._sign_out, methods=["POST"]),
        ]

    async def _show_sign_in(self, request: Request) -> Response:
        if not self._access.claimed:
            return RedirectResponse(CLAIM, 303)
        return self._sign_in_page(request)

    async def _sign_in(self, request: Request) -> Response:
        form, address = dict(await fields(request)), address_of(request)
        if not self._may_try(address):
            return self._sign_in_page(request, _WAIT, 429, form.get("next", ""))
        self._pins.failed(address)  # until it is known to be right: many at once are many
        async with self._one:
            right = await anyio.to_thread.run_sync(self._access.is_pin, form.get("pin", "")[:64])
        if not right:
            self._wrong += 1
            _log.warning("console.pin_wrong", address=address)
            if self._wrong % MANY_WRONG == 0:
                self._suspect(self._wrong)
            wrong = ("密码不对，请再试", "this is not the PIN; try again")
            return self._sign_in_page(request, wrong, 403, form.get("next", ""))
        if self._wrong >= MANY_WRONG:
            self._suspect(0)
        self._wrong = 0
        self._pins.forgive(address)
        _log.info("console.signed_in", address=address)
        return await self._let_in(local(form.get("next", "")))

    def _may_try(self, address: str) -> bool:
        """Not too often of one address, nor of all of them together once many were wrong."""
        now = self._clock.monotonic()
        if self._wrong >= MANY_WRONG and now - self._tried_at < BRAKE_S:
            return False
        try:
            self._pins.check(address)
        except Refusal:
            return False
        self._tried_at = now
        return True

    async def _show_claim(self, request: Request) -> Response:
        """The code may be in the address: a phone read it off the ticket."""
        return self._claim_page(request, code=request.query_params.get("code", "")[:16])

    async def _code(self, request: Request) -> Response:
        """Print a code, not too often: paper is for orders."""
        now = self._clock.monotonic()
        self._printed = [at for at in self._printed if now - at < CODES_S]
        if len(self._printed) >= MOST_CODES or (self._printed and now - self._printed[-1] < CODE_EACH_S):
            return self._pages.said(
                request, False, "刚打印过：请看打印机；稍后再试", "just printed: look at the printer; later again", 429
            )
        self._printed.append(now)
        try:
            printer = await anyio.to_thread.run_sync(self._print_code, partial(self._code_of, now))
        except Refusal as exc:
            self._printed.pop()
            return self._pages.said(request, False, exc.reason, exc.reason, exc.status)
        return self._pages.said(request, True, f"代码正在 {printer} 上打印", f"the code is printed on {printer}")

    def _code_of(self, now: float) -> str:
        """The code that is printed now."""
        if not self._printed_code or now - self._issued_at > CODE_FOR_S:
            self._printed_code, self._issued_at = self._access.issue_code(), now
        return self._printed_code

    async def _claim(self, request: Request) -> Response:
        form, address = dict(await fields(request)), address_of(request)
        pin, code = form.get("pin", "")[:64], form.get("code", "")[:64]
        try:
            self._codes.check(address)
        except Refusal:
            return self._claim_page(request, _WAIT, 429)
        if pin != form.get("again", "")[:64]:
            return self._claim_page(request, ("两次输入的密码不一样", "the two PINs differ"), 422, code)
        if (problem := pin_problem(pin))[0]:
            return self._claim_page(request, problem, 422, code)
        self._codes.failed(address)
        async with self._one:
            right = await anyio.to_thread.run_sync(self._access.choose_pin, code, pin)
        if not right:
            _log.warning("console.code_wrong", address=address)
            wrong = ("代码不对或已失效：看最新的那张小票", "not the code, or no longer: look at the newest ticket")
            return self._claim_page(request, wrong, 403)
        self._codes.forgive(address)
        self._printed_code = ""
        where = local(form.get("next", ""))
        return await self._let_in(self._first() if where == "/" else where)

    async def _sign_out(self, request: Request) -> Response:
        await anyio.to_thread.run_sync(self._access.sign_out, request.cookies.get(COOKIE, ""))
        answer = Response(status_code=204, headers={"hx-redirect": "/"})
        answer.delete_cookie(COOKIE, samesite="strict", httponly=True)
        return answer

    async def _let_in(self, where: str) -> Response:
        answer = RedirectResponse(where, 303)
        token = await anyio.to_thread.run_sync(self._access.sign_in)
        answer.set_cookie(COOKIE, token, max_age=_YEAR_S, httponly=True, samesite="strict")
        return answer

    def _sign_in_page(
        self, request: Request, problem: tuple[str, str] = ("", ""), status: int = 200, where: str = ""
    ) -> Response:
        where = local(where or request.query_params.get("next", ""))
        return self._pages.page(request, "sign-in.html", status, problem=words(request)(*problem), next=where)

    def _claim_page(
        self, request: Request, problem: tuple[str, str] = ("", ""), status: int = 200, code: str = ""
    ) -> Response:
        known = {"claimed": self._access.claimed, "code": code, "next": local(request.query_params.get("next", ""))}
        return self._pages.page(request, "claim.html", status, problem=words(request)(*problem), **known)
