"""A browser as a phone in the shop: Debian's Chromium, driven by Playwright. Tests that want one skip without it.

Fonts are those that tickets are drawn with (see scripts/setup), so that Chinese is Chinese on a screenshot.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from agent.console.rights import COOKIE

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, Page

CHROMIUM = next((found for name in ("chromium", "chromium-browser") if (found := shutil.which(name))), "")
PHONE, TABLET, DESK = (390, 844), (1024, 768), (1280, 800)
FONTS = Path(__file__).parent.parent / ".venv" / "debian" / "usr" / "share" / "fonts"
WAIT_MS = 20_000
_GONE = ("net::ERR", "Failed to load", "Failed to fetch")
"""What a page says while the agent starts anew."""
needs_chromium = pytest.mark.skipif(not CHROMIUM, reason="no Chromium here: apt-get install chromium")


class Phone:
    """A person with a phone: their page, and what it complained about."""

    def __init__(self, context: "BrowserContext", port: int) -> None:
        self.context, self.port = context, port
        self.complaints: list[str] = []
        self.page = self._open()

    def _open(self) -> "Page":
        page = self.context.new_page()
        page.set_default_timeout(WAIT_MS)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("console", lambda said: self.complaints.append(said.text) if said.type == "error" else None)
        return page

    def go(self, path: str) -> "Page":
        """To a page of the box."""
        self.page.goto(f"http://127.0.0.1:{self.port}{path}")
        return self.page

    def sign_in(self, session: str) -> None:
        """As somebody who has signed in before."""
        self.context.add_cookies([{"name": COOKIE, "value": session, "domain": "127.0.0.1", "path": "/"}])

    def serious(self) -> list[str]:
        """What axe finds that keeps somebody from using this page: rule, and where."""
        from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]

        found: dict[str, Any] = Axe().run(self.page).response
        return [
            f"{each['id']}: {node['target']} {node.get('failureSummary', '')}"
            for each in found["violations"]
            if each["impact"] in ("serious", "critical")
            for node in each["nodes"]
        ]


@contextmanager
def phone(
    port: int,
    folder: Path,
    size: tuple[int, int] = PHONE,
    language: str = "zh-CN",
    session: str = "",
    zone: str | None = None,
) -> Iterator[Phone]:
    """A browser of its own, in this time zone or the machine's. Whatever its pages complain about fails the test, but
    that the box went away.
    """
    from playwright.sync_api import sync_playwright

    (folder / "xdg").mkdir(exist_ok=True)
    if FONTS.is_dir() and not (folder / "xdg" / "fonts").exists():
        (folder / "xdg" / "fonts").symlink_to(FONTS)
    environment: dict[str, str | float | bool] = {
        **os.environ,
        "XDG_DATA_HOME": str(folder / "xdg"),
        "HOME": str(folder),
    }
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"], env=environment)
        try:
            width, height = size
            touch = size == PHONE
            context = browser.new_context(
                viewport={"width": width, "height": height},
                locale=language,
                timezone_id=zone,
                has_touch=touch,
                is_mobile=touch,
            )
            there = Phone(context, port)
            if session:
                there.sign_in(session)
            yield there
            wrong = [each for each in there.complaints if not any(gone in each for gone in _GONE)]
            assert not wrong, wrong
        finally:
            browser.close()
