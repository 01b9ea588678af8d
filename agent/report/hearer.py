"""What one receiver of notices knows, what it is to be told, and when it may be. Pure: the caller says what time it is.

It is told states and not events: an alarm is told once it has been up for a while, and that it is over if it was told.
What came and went while nobody could be told is not told at all. So what is kept does not grow, and a restart in the
middle can only make something be told twice.
"""

from collections import deque
from collections.abc import Iterable, Mapping

import msgspec

from agent.config.notices import Topic
from agent.report.alarmtext import after_s, grows, topic_of

AGAIN_AFTER_S = 600.0
"""An alarm whose words say that more has come is told again, at most so often."""

OVER_AFTER_S = 10.0
"""An alarm that is back so soon was never over: a cover that is opened again."""

GAPS = ((40, 300.0), (10, 60.0), (0, 6.0))
"""So many messages in the last hour, and how many seconds must lie between two: at first 10 a minute, half of what the
robots allow, because two boxes may share one.
"""

NOTHING: Mapping[str, str] = {}
_HOUR_S = 3600.0
_REFUSED_S, _SLOWEST_S, _FIRST_S = 60.0, 600.0, 4.0


class News(msgspec.Struct, frozen=True):
    """To be told at once: alarms that are up, by key with their reason, and the keys of those that are over."""

    raised: dict[str, str]
    over: tuple[str, ...]


class Hearer:
    """`told` is what it was told and is not over, by key with the reason that was told; `only`, the topics that it is
    told of, all if none.
    """

    def __init__(self, only: Iterable[Topic], told: Mapping[str, str] = NOTHING) -> None:
        self._only = frozenset(only)
        self.told = dict(told)
        self._told_at: dict[str, float] = {}
        self._since: dict[str, float] = {}
        self._gone: dict[str, float] = {}
        self._sent: deque[float] = deque(maxlen=GAPS[0][0])
        self._failures = 0
        self._not_before = 0.0

    def look(self, up: Mapping[str, str], now: float) -> News | None:
        """What is up now, by key; returns what is to be told now, if anything is and it may be."""
        self._since = {key: self._since.get(key, now) for key in up if key not in self.told and self._wants(key)}
        self._gone = {key: self._gone.get(key, now) for key in self.told if key not in up}
        if now < self._not_before or (self._sent and now - self._sent[-1] < self._gap_s(now)):
            return None
        raised = {key: up[key] for key, since in self._since.items() if now - since >= (after_s(key) or 0.0)}
        raised |= {key: up[key] for key in self.told if key in up and self._grew(key, up[key], now)}
        over = tuple(key for key, since in self._gone.items() if now - since >= OVER_AFTER_S)
        return News(raised, over) if raised or over else None

    def heard(self, news: News, now: float) -> None:
        """It was told."""
        self.told = {key: why for key, why in (self.told | news.raised).items() if key not in news.over}
        self._told_at = {key: at for key, at in self._told_at.items() if key in self.told} | dict.fromkeys(
            news.raised, now
        )
        self._sent.append(now)
        self._failures = 0

    def missed(self, now: float, chance: float, *, refused: bool) -> float:
        """It was not told; returns the seconds until it may be tried again. `chance` is drawn evenly from 0 to 1."""
        self._failures += 1
        longest_s = min(_SLOWEST_S, _FIRST_S * 2.0 ** min(self._failures - 1, 10))
        wait_s = (max(_REFUSED_S, longest_s) if refused else longest_s) * (0.5 + 0.5 * chance)
        self._not_before = now + wait_s
        return wait_s

    def hurry(self, now: float, chance: float) -> None:
        """The internet is back, it seems: try soon, but not all boxes at once."""
        if self._failures:
            self._not_before = min(self._not_before, now + _FIRST_S * chance)

    @property
    def failing(self) -> bool:
        """Was it not told what it should have been?"""
        return self._failures > 0

    def _grew(self, key: str, reason: str, now: float) -> bool:
        if not grows(key) or reason == self.told[key]:
            return False
        return now - self._told_at.get(key, -AGAIN_AFTER_S) >= AGAIN_AFTER_S

    def _wants(self, key: str) -> bool:
        return after_s(key) is not None and (not self._only or topic_of(key) in self._only)

    def _gap_s(self, now: float) -> float:
        lately = sum(now - at < _HOUR_S for at in self._sent)
        return next(gap_s for many, gap_s in GAPS if lately >= many)
