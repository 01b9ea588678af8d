"""How long to stay away from a broker before trying again. Pure: the caller says what time it is.

For ever, because a broker that is away comes back; with jitter, so that a thousand boxes don't come back at once.
Only a connection that lasted makes us quick again: one that accepts and then kicks would else be called every second.
One that lasted for long was lost with thousands of others, perhaps: the first try after it is spread.
"""

import random
from collections import deque
from collections.abc import Callable

LONGEST_S = 30.0
SETTLED_AFTER_S, SPREAD_S = 600.0, 5.0
"""After a connection of so long the first try comes at any time within so long: orders wait no longer than that."""
STEADY_AFTER_S = 20.0
TAKEOVERS = 3
TAKEOVERS_WITHIN_S = 60.0
TAKEN_OVER_S = 180.0
CALM_AFTER_S = 900.0
KICKS = 3
KICKS_WITHIN_S = 120.0
RIVAL_AWAY_S = 2 * LONGEST_S


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
        self._kicks: deque[float] = deque(maxlen=KICKS)
        self.failures = 0
        self.contested = False
        self.suspected = False

    def failed(self) -> float:
        """It could not be reached, or refused us: seconds to wait."""
        self._kicks.clear()
        return self._later()

    def lost(self, now: float, up_s: float) -> float:
        """It was up for `up_s` seconds: seconds to wait.

        Brokers that speak 3.1.1, and mosquitto 2.0, take a connection over without a word. Accepted and cut off at
        once, time after time and with nothing else between, looks like that. So does a bad line: a person is told,
        and we stay away no longer than ever, because orders may wait.
        """
        self.lasted(up_s)
        again_s = self._later() if up_s < SETTLED_AFTER_S else self._spread()
        if up_s <= STEADY_AFTER_S:
            self._kicks.append(now)
        if len(self._kicks) == KICKS and now - self._kicks[0] <= KICKS_WITHIN_S:
            self.suspected = True
        return again_s

    def taken_over(self, now: float, up_s: float) -> float:
        """Somebody else came with our client id: seconds to wait, minutes once that goes on and on."""
        self.lasted(up_s)
        again_s = self._later()
        self._takeovers.append(now)
        if len(self._takeovers) == TAKEOVERS and now - self._takeovers[0] <= TAKEOVERS_WITHIN_S:
            self.contested = True
        return self._long() if self.contested else again_s

    def lasted(self, up_s: float) -> None:
        """It has been up for so long: what was before is forgotten when that is long enough."""
        if up_s > STEADY_AFTER_S:
            self.failures = 0
            self._kicks.clear()
        if up_s > RIVAL_AWAY_S:  # another that waits as we do would have come by now
            self.suspected = False
        if up_s > CALM_AFTER_S:
            self._takeovers.clear()
            self.contested = False

    def _later(self) -> float:
        self.failures += 1
        return self._pace * delay_s(self.failures, self._chance())

    def _spread(self) -> float:
        self.failures += 1
        return self._pace * SPREAD_S * self._chance()

    def _long(self) -> float:
        return self._pace * TAKEN_OVER_S * (0.5 + self._chance())
