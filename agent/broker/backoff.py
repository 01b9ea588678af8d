"""How long to stay away from a broker before trying again. Pure: the caller says what time it is.

For ever, because a broker that is away comes back; with jitter, so that a thousand boxes don't come back at once.
Only a connection that lasted makes us quick again: one that accepts and then kicks would else be called every second.
"""

import random
from collections import deque
from collections.abc import Callable

LONGEST_S = 30.0
STEADY_AFTER_S = 20.0
TAKEOVERS = 3
TAKEOVERS_WITHIN_S = 60.0
TAKEN_OVER_S = 180.0
CALM_AFTER_S = 900.0


def delay_s(failures: int, chance: float) -> float:
    """Seconds after this many failures in a row (from 1): 0.25 to 1, then doubling up to 7.5 to 30.

    `chance` is drawn evenly from 0 to 1.
    """
    longest_s = min(LONGEST_S, 2.0 ** min(failures - 1, 10))
    return longest_s * (0.25 + 0.75 * chance)


class Backoff:
    """What happened lately to one line. `pace` scales every delay: tests wait hundredths of seconds."""

    def __init__(self, chance: Callable[[], float] = random.random, pace: float = 1.0) -> None:
        self._chance = chance
        self._pace = pace
        self._takeovers: deque[float] = deque(maxlen=TAKEOVERS)
        self.failures = 0
        self.contested = False

    def failed(self) -> float:
        """It could not be reached, or refused us: seconds to wait."""
        self.failures += 1
        return self._pace * delay_s(self.failures, self._chance())

    def lost(self, up_s: float) -> float:
        """It was up for `up_s` seconds: seconds to wait."""
        self.lasted(up_s)
        return self.failed()

    def taken_over(self, now: float, up_s: float) -> float:
        """Somebody else came with our client id: seconds to wait, minutes once that goes on and on."""
        again_s = self.lost(up_s)
        self._takeovers.append(now)
        if len(self._takeovers) == TAKEOVERS and now - self._takeovers[0] <= TAKEOVERS_WITHIN_S:
            self.contested = True
        return self._pace * TAKEN_OVER_S * (0.5 + self._chance()) if self.contested else again_s

    def lasted(self, up_s: float) -> None:
        """It has been up for so long: what was before is forgotten when that is long enough."""
        if up_s > STEADY_AFTER_S:
            self.failures = 0
        if up_s > CALM_AFTER_S:
            self._takeovers.clear()
            self.contested = False
