"""When to ask the cloud for what was missed, and for what. It sends nothing.

On every connect; whenever a gap is seen; and again until the cloud says something, ever slower while that is in vain.
"""

from agent.clock import Clock
from agent.journal import notes, sequences
from agent.journal.file import Tx
from agent.report.presence import ReplayRequest

AGAIN_S = 5.0
SLOWEST_S = 300.0


class Requests:
    """What was asked, and whether it was heard. `ask` and `answered` are for any thread, the rest is for one."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._ask = False
        self._ask_after = 0.0
        self._awaiting = False
        self._routine = False
        self._asked: dict[str, int] | None = None
        self._asked_in_vain = 0

    def ask(self) -> None:
        """Something is missing. What was asked on connecting, and was answered, does not make this one slower."""
        self._ask = True

    def answered(self) -> None:
        """The cloud heard a request: something came on the replay topic. Until then it is asked again."""
        self._awaiting = False
        if self._routine:
            self._routine, self._ask_after, self._asked = False, 0.0, None

    def connected(self) -> None:
        """A new connection: it is asked at once, as always."""
        self._ask, self._ask_after, self._asked, self._routine = True, 0.0, None, True

    def refused(self, again_s: float) -> None:
        """The broker would not have a request."""
        self._ask, self._ask_after = True, self._clock.monotonic() + again_s

    def due(self, reader: Tx) -> list[ReplayRequest]:
        """What to ask for now: from the last sequence without a gap before it, for each source that was heard lately;
        all of it after a journal was lost. At most every five seconds.
        """
        now = self._clock.monotonic()
        if now < self._ask_after or not (self._ask or self._awaiting):
            return []
        self._ask = False
        wanted = sequences.heard_lately(reader)
        requests = [ReplayRequest(source, last + 1) for source, last in wanted.items()]
        if not requests and notes.get_meta(reader, "rebuilt_at"):
            requests = [ReplayRequest(None, 1)]
        self._awaiting = bool(requests)
        if requests:
            self._asked_in_vain = self._asked_in_vain + 1 if wanted == self._asked else 0
            self._asked = wanted
            self._ask_after = now + min(SLOWEST_S, AGAIN_S * 2.0 ** min(self._asked_in_vain, 10))
        return requests
