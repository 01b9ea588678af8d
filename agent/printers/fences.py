"""Answers to GS r. They carry no name, so all that can be known of them is how many are to come, and when one came
that nobody asked for.
"""

from collections import deque

from agent.clock import Clock

CRACKLE_S = 60.0
"""Status bytes that nobody asked for, at two moments within so long: then one that was asked for proves nothing."""
MOMENT_S = 0.5


class Fences:
    """Those of one link. `owed` are waited for; `heard`: one came since this was last set to False."""

    def __init__(self, clock: Clock) -> None:
        self.owed = 0
        self.heard = False
        self._clock = clock
        self._late = 0
        self._unasked: deque[float] = deque(maxlen=2)

    def answered(self) -> bool:
        """Was every GS r answered? Only the last answer owed can be the last question's."""
        return self.owed == 0

    def give_up(self) -> int:
        """Nobody waits for what is owed any more, and it may come all the same. How many that are."""
        given_up, self.owed = self.owed, 0
        self._late += given_up
        return given_up

    def expect_again(self, count: int) -> None:
        """So many of those that were given up are waited for after all."""
        self.owed, self._late = self.owed + count, max(0, self._late - count)

    def came(self) -> None:
        """An answer, or a byte that looks like one."""
        self.heard = True
        now = self._clock.monotonic()
        if self.owed:
            self.owed -= 1
        elif self._late:
            self._late -= 1
        elif not self._unasked or now - self._unasked[-1] > MOMENT_S:
            self._unasked.append(now)

    @property
    def crackle(self) -> bool:
        """Does the line say status bytes now and then that nobody asked for?"""
        return len(self._unasked) == 2 and self._clock.monotonic() - self._unasked[0] < CRACKLE_S
