"""Who guesses secrets is turned away for a while. By address; on one thread."""

from collections import OrderedDict

from agent.clock import Clock
from agent.console.rooms import Refusal

MOST_FAILURES, WINDOW_S = 10, 60.0
MOST_ADDRESSES = 1000


class Throttle:
    """Counts failures; the oldest addresses are forgotten."""

    def __init__(self, clock: Clock, most: int = MOST_FAILURES, window_s: float = WINDOW_S) -> None:
        self._clock = clock
        self._most, self._window_s = most, window_s
        self._failures: OrderedDict[str, tuple[float, int]] = OrderedDict()

    def check(self, address: str) -> None:
        """May this one try?

        Raises:
            Refusal: 429, until `window_s` seconds after the first failure.
        """
        since, count = self._failures.get(address, (0.0, 0))
        left_s = since + self._window_s - self._clock.monotonic()
        if count >= self._most and left_s > 0:
            raise Refusal(429, "too many failures from this address; wait a while", again_s=int(left_s) + 1)

    def failed(self, address: str) -> None:
        """This one did not know the secret."""
        now = self._clock.monotonic()
        since, count = self._failures.get(address, (now, 0))
        self._failures[address] = (since, count + 1) if now - since < self._window_s else (now, 1)
        self._failures.move_to_end(address)
        while len(self._failures) > MOST_ADDRESSES:
            self._failures.popitem(last=False)

    def forgive(self, address: str) -> None:
        """It knew it after all."""
        self._failures.pop(address, None)
