"""Answers to GS r. They carry no name, so all that can be known of them is how many are to come, and when one came
that nobody asked for.
"""

from collections import deque

from agent.clock import Clock
from agent.printers.status import says_paper_out

CRACKLE_S = 60.0
"""Status bytes that nobody asked for, at two moments within so long: then one that was asked for proves nothing."""
MOMENT_S = 0.5
MOST_LATE = 1000


class Noise:
    """What one printer's line says unasked, over all its links. `listened`: somebody did so while nothing was asked."""

    def __init__(self, clock: Clock) -> None:
        self.listened = False
        self._clock = clock
        self._moments: deque[float] = deque(maxlen=2)

    def heard(self) -> None:
        """A status byte."""
        now = self._clock.monotonic()
        if not self._moments or now - self._moments[-1] > MOMENT_S:
            self._moments.append(now)

    def listened_to(self, *, quiet: bool) -> None:
        """Somebody listened, and what was heard before was late, or it never became quiet."""
        self.listened = True
        self._moments.clear()
        if not quiet:
            self._moments.extend([self._clock.monotonic()] * 2)

    def now(self) -> float:
        """By the clock of all its links."""
        return self._clock.monotonic()

    @property
    def crackles(self) -> bool:
        """Does the line say status bytes now and then?"""
        return len(self._moments) == 2 and self._clock.monotonic() - self._moments[0] < CRACKLE_S


class Fences:
    """Those of one link. `owed` are waited for. Since these were last set to False: `heard`, one came; `paper_out`, one
    said that there is no paper. Who says so behind a ticket has printed it without any; unless it says so always
    (`tells_paper`).
    """

    def __init__(self, noise: Noise) -> None:
        self.owed = 0
        self.heard = self.paper_out = False
        self.tells_paper = True
        self.noise = noise
        self._late: deque[float] = deque(maxlen=MOST_LATE)

    def answered(self) -> bool:
        """Was every GS r answered? Only the last answer owed can be the last question's."""
        return self.owed == 0

    def give_up(self) -> int:
        """Nobody waits for what is owed any more, and for a minute it may come all the same. How many that are."""
        given_up, self.owed = self.owed, 0
        self._late.extend([self.noise.now()] * given_up)
        return given_up

    def expect_again(self, count: int) -> None:
        """So many of those that were given up are waited for after all."""
        self.owed += count
        for _ in range(min(count, len(self._late))):
            self._late.pop()

    def came(self, byte: int) -> None:
        """An answer, or a byte that looks like one."""
        self.heard = True
        self.paper_out |= self.tells_paper and says_paper_out(byte)
        if self.owed:
            self.owed -= 1
            return
        while self._late and self.noise.now() - self._late[0] > CRACKLE_S:
            self._late.popleft()
        if self._late:
            self._late.popleft()
        else:
            self.noise.heard()
