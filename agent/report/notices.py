"""Alarms are told outside the shop: in a chat, or to whatever takes JSON. One thread looks at the journal's alarms.

Each message is posted by a thread of its own, at most one a receiver: a name server that does not answer, or a receiver
that answers a byte a minute, stops neither this loop nor the watchdog. Nothing here waits for the journal's writer.
"""

import random
import threading
from collections.abc import Callable
from contextlib import closing
from functools import partial
from typing import Any

import msgspec

from agent import log
from agent.clock import Clock, stamp
from agent.config.notices import Notice
from agent.journal import notes
from agent.journal.file import Tx
from agent.journal.store import Journal
from agent.model.ticket import Language
from agent.report.alarmtext import text
from agent.report.hearer import Hearer, News
from agent.report.webhook import Untold, tell
from agent.service import ServiceThread

POLL_S = 1.0
FAILED_AGAIN_S = 5.0
_LINE, _DISK = "line", "disk"
_log = log.get("notices")

Tell = Callable[[Notice, str, dict[str, object], Any], None]


class Place(msgspec.Struct, frozen=True):
    """Whose alarms they are. `language` is that of receivers who ask for none."""

    shop: str
    agent: str
    language: Language

    @property
    def name(self) -> str:
        """As a message begins."""
        return f"{self.shop}/{self.agent}"


class Receiver:
    """One receiver, with what it knows and the message that is under way to it."""

    def __init__(self, notice: Notice, place: Place, clock: Clock, tell: Tell) -> None:
        self.notice = notice
        self.key = f"notices:{notice.kind}:{notice.url_file or ''}"
        self.hearer = Hearer(notice.only)
        self._place = place
        self._clock = clock
        self._tell = tell
        self._language = Language(notice.language) if notice.language else place.language
        self._under_way: News | None = None
        self._outcome: Untold | bool | None = None

    def turn(self, up: dict[str, str]) -> bool:
        """Tell what is to be told; True when something new is known to have arrived. Never blocks."""
        arrived = self._under_way is not None and self._outcome is not None and self._conclude(self._under_way)
        news = self.hearer.look(up, self._clock.monotonic())
        if self._under_way is None and news is not None:
            self._under_way, self._outcome = news, None
            threading.Thread(target=self._post, args=(news,), name="notice", daemon=True).start()
        return arrived

    def _conclude(self, news: News) -> bool:
        outcome, now, was_failing = self._outcome, self._clock.monotonic(), self.hearer.failing
        self._under_way = self._outcome = None
        if isinstance(outcome, Untold):
            again_s = self.hearer.missed(now, random.random(), refused=outcome.refused)
            if not was_failing:
                _log.error("notices.not_told", receiver=self.notice.name, reason=str(outcome), again_in_s=again_s)
            return False
        self.hearer.heard(news, now)
        if was_failing:
            _log.info("notices.told_again", receiver=self.notice.name)
        _log.info("notices.told", receiver=self.notice.name, raised=len(news.raised), over=len(news.over))
        return True

    def _post(self, news: News) -> None:
        """On the message's own thread."""
        now = self._clock.utc()
        facts: dict[str, object] = {
            "shop": self._place.shop,
            "agent": self._place.agent,
            "at": stamp(now),
            "raised": [{"key": key, "reason": reason} for key, reason in news.raised.items()],
            "over": list(news.over),
        }
        try:
            self._tell(self.notice, text(self._place.name, self._language, news.raised, news.over), facts, now)
            self._outcome = True
        except Untold as exc:
            self._outcome = exc
        except Exception as exc:  # noqa: BLE001  the thread's outermost frame: without an outcome nothing more is told
            _log.exception("notices.failed", receiver=self.notice.name)
            self._outcome = Untold(type(exc).__name__, refused=True)


class Notices(ServiceThread):
    """The service. `line_up` says whether the cloud can reach us; what else is the matter stands in the journal."""

    name = "notices"

    def __init__(
        self,
        notices: list[Notice],
        place: Place,
        journal: Journal,
        clock: Clock,
        line_up: Callable[[], bool],
        tell: Tell = tell,
    ) -> None:
        super().__init__(clock)
        self._receivers = [Receiver(notice, place, clock, tell) for notice in notices]
        self._journal = journal
        self._line_up = line_up
        self._was_up = False
        self._unkept: set[str] = set()
        self._loaded = False

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                with closing(self._journal.reader()) as reader:
                    while not self._stopping.wait(POLL_S):
                        self.turn(reader)
            except Exception:  # noqa: BLE001  the thread's outermost loop: a reader that fails is opened anew
                _log.exception("notices.turn_failed")
                self._turned()
                self._stopping.wait(FAILED_AGAIN_S)

    # -- a turn --------------------------------------------------------------------------------------------------

    def turn(self, reader: Tx) -> None:
        """Look at the alarms, and tell each receiver what it is to be told."""
        self._turned()
        if not self._loaded:
            self._load(reader)
        up = self._alarms(reader)
        for receiver in self._receivers:
            if receiver.turn(up):
                self._unkept.add(receiver.key)
        self._keep()

    def _load(self, reader: Tx) -> None:
        for receiver in self._receivers:
            kept = notes.get_meta(reader, receiver.key)
            told = msgspec.json.decode(kept, type=dict[str, str] | list[str]) if kept else {}
            receiver.hearer.told = told if isinstance(told, dict) else dict.fromkeys(told, "")  # an older one's
        self._loaded = True

    def _alarms(self, reader: Tx) -> dict[str, str]:
        """What is up: the journal's alarms, and what could not be written there."""
        up = notes.alarms(reader)
        line = self._line_up()
        if line and not self._was_up:
            for receiver in self._receivers:
                receiver.hearer.hurry(self._clock.monotonic(), random.random())
        self._was_up = line
        if not line:
            up[_LINE] = ""
        if self._journal.full:
            up[_DISK] = ""
        return up

    def _keep(self) -> None:
        """Remember who was told what. While the disk is full that waits: its queue must not grow."""
        if self._journal.full:
            return
        for receiver in self._receivers:
            if receiver.key in self._unkept:
                told = msgspec.json.encode(receiver.hearer.told).decode()
                self._journal.submit(partial(notes.set_meta, key=receiver.key, value=told), lambda _: None)
        self._unkept.clear()
