"""Links and printers that do not keep what they promise, each in one way. One trick serves all links of a connector."""

import threading
import time
from collections.abc import Callable

from agent.errors import LinkBroken, Unavailable
from agent.model.printer import Identity, Need
from agent.printers.conformance.slip import title_of
from agent.printers.conformance.talk import RESET, token_request
from agent.printers.link import Connector, Link

TOO_LONG_S = 1.5


class Trick:
    """What a link does otherwise than it should. One for all links of a connector."""

    def __init__(self, on_close: Callable[[], None] = lambda: None) -> None:
        self.opened = 0
        self.said = b""
        self._on_close = on_close

    def open(self, inner: Connector) -> Link:
        """As the connector does."""
        self.opened += 1
        return inner.open()

    def identity(self, link: Link) -> Identity:
        """As the link says."""
        return link.identity

    def write(self, link: Link, data: bytes, timeout_s: float) -> int:
        """As the link does."""
        return link.write(data, timeout_s)

    def read(self, link: Link, max_bytes: int, timeout_s: float) -> bytes:
        """As the link does; what the trick has to say comes first."""
        if self.said:
            said, self.said = self.said[:max_bytes], self.said[max_bytes:]
            return said
        return link.read(max_bytes, timeout_s)

    def unsent(self, link: Link) -> int:
        """As the link does."""
        return link.unsent()

    def needs(self, link: Link) -> frozenset[Need]:
        """As the link does."""
        return link.needs()

    def close(self, link: Link) -> None:
        """As the link does."""
        self.said = b""
        link.close()
        self._on_close()


class Around:
    """A link with a trick."""

    def __init__(self, link: Link, trick: Trick) -> None:
        self._link, self._trick = link, trick
        self.identity = trick.identity(link)

    def write(self, data: bytes, timeout_s: float) -> int:
        """See `Trick`."""
        return self._trick.write(self._link, data, timeout_s)

    def read(self, max_bytes: int, timeout_s: float) -> bytes:
        """See `Trick`."""
        return self._trick.read(self._link, max_bytes, timeout_s)

    def unsent(self) -> int:
        """See `Trick`."""
        return self._trick.unsent(self._link)

    def needs(self) -> frozenset[Need]:
        """See `Trick`."""
        return self._trick.needs(self._link)

    def close(self) -> None:
        """See `Trick`."""
        self._trick.close(self._link)


class Tricky:
    """A connector with a trick."""

    def __init__(self, inner: Connector, trick: Trick) -> None:
        self._inner, self._trick = inner, trick
        self.bytes_per_s = inner.bytes_per_s
        self.notices_power_cycle = inner.notices_power_cycle

    def forget(self) -> None:
        """Nothing is remembered."""

    def open(self) -> Link:
        """See `Trick`."""
        return Around(self._trick.open(self._inner), self._trick)


def pour(link: Link, data: bytes) -> None:
    """All of it."""
    while data:
        data = data[link.write(data, 1.0) :]


class Away(Trick):
    """Nobody is there."""

    def open(self, inner: Connector) -> Link:
        """Never."""
        del inner
        raise Unavailable("connection refused")


class Swapped(Trick):
    """Each link leads to another device."""

    def identity(self, link: Link) -> Identity:
        """A new one each time."""
        del link
        return Identity(f"1-{self.opened}")


class Forgetful(Trick):
    """At its second probing (the fourth link) it does not know process IDs."""

    def write(self, link: Link, data: bytes, timeout_s: float) -> int:
        """The question is lost."""
        if self.opened == 4 and data.startswith(b"\x1d(H"):
            return len(data)
        return link.write(data, timeout_s)


class ThrowsOut(Trick):
    """Whoever connects throws out who is there."""

    def __init__(self) -> None:
        super().__init__()
        self._here: Link | None = None
        self._gone: set[int] = set()

    def open(self, inner: Connector) -> Link:
        """The one before is cut off."""
        link = super().open(inner)
        if self._here is not None:
            self._gone.add(id(self._here))
        self._here = link
        return link

    def read(self, link: Link, max_bytes: int, timeout_s: float) -> bytes:
        """Broken for the first."""
        if id(link) in self._gone:
            raise LinkBroken("connection reset by peer")
        return super().read(link, max_bytes, timeout_s)

    def close(self, link: Link) -> None:
        """A place is free."""
        super().close(link)
        self._gone.discard(id(link))
        self._here = None if self._here is link else self._here


class LongReads(Trick):
    """Where nothing was asked reads take another time than they should; `extra_s` below 0 is no time at all."""

    def __init__(self, extra_s: float = 0.0, noise: bytes = b"") -> None:
        super().__init__()
        self._extra_s, self._noise = extra_s, noise
        self._wrote = b""

    def write(self, link: Link, data: bytes, timeout_s: float) -> int:
        """Note it."""
        self._wrote += data
        return link.write(data, timeout_s)

    def read(self, link: Link, max_bytes: int, timeout_s: float) -> bytes:
        """Oversleep, return at once, or hear what was not said."""
        if timeout_s < 0.2 or self._wrote != RESET:
            return super().read(link, max_bytes, timeout_s)
        if self._extra_s < 0:
            return b""
        time.sleep(self._extra_s)
        return self._noise or super().read(link, max_bytes, timeout_s)

    def close(self, link: Link) -> None:
        """Another link, another talk."""
        self._wrote = b""
        super().close(link)


class BigWrites(Trick):
    """Writes of more than 8 KiB go wrong: see `how`."""

    def __init__(self, how: str) -> None:
        super().__init__()
        self._how = how
        self._broke = False
        self.done = threading.Event()

    def write(self, link: Link, data: bytes, timeout_s: float) -> int:
        """Some of it is lost, doubled, counted wrongly, or it takes too long."""
        if len(data) <= 8192:
            return link.write(data, timeout_s)
        match self._how:
            case "loses":
                return link.write(data[:512], timeout_s) and 1024
            case "doubles":
                return link.write(data[:4096], timeout_s) // 2
            case "counts too much":
                self._broke = True
                return link.write(data, timeout_s) and len(data) + 1
            case "oversleeps":
                time.sleep(timeout_s + TOO_LONG_S)
            case "hangs":
                self.done.wait()
            case "keeps it":
                self._broke = True
        return link.write(data[:4096], timeout_s)

    def unsent(self, link: Link) -> int:
        """A cable that keeps a part says so."""
        return 7 if self._how == "keeps it" and self._broke else link.unsent()

    def close(self, link: Link) -> None:
        """And forgets it."""
        self._broke = False
        super().close(link)


class CriesWolf(Trick):
    """Its port status always says that the paper is out."""

    def needs(self, link: Link) -> frozenset[Need]:
        """Paper."""
        return link.needs() | {Need.PAPER}


class Rewrites(Trick):
    """What the printer is asked is not what was written: `old` becomes `new`, if `alone` only where it is all."""

    def __init__(self, old: bytes, new: bytes, alone: bool = False) -> None:
        super().__init__()
        self._old, self._new, self._alone = old, new, alone

    def write(self, link: Link, data: bytes, timeout_s: float) -> int:
        """Everything counts as taken."""
        if self._old not in data or (self._alone and data != self._old):
            return link.write(data, timeout_s)
        pour(link, data.replace(self._old, self._new))
        return len(data)


class SaysToo(Trick):
    """Besides the printer's own answers it says something when it is asked this."""

    def __init__(self, question: bytes, says: bytes) -> None:
        super().__init__()
        self._question, self._says = question, says

    def write(self, link: Link, data: bytes, timeout_s: float) -> int:
        """Once for each write."""
        if self._question in data:
            self.said += self._says
        return link.write(data, timeout_s)


class OneRoundLate(Trick):
    """After 30 rounds of questions on one link an answer is lost, comes late or comes twice."""

    def __init__(self, how: str) -> None:
        super().__init__()
        self._how = how
        self._rounds = 0

    def write(self, link: Link, data: bytes, timeout_s: float) -> int:
        """Count them."""
        if data.startswith(b"\x10\x04"):
            self._rounds += 1
        return link.write(data, timeout_s)

    def read(self, link: Link, max_bytes: int, timeout_s: float) -> bytes:
        """At the thirtieth."""
        if self._rounds == 30:
            self._rounds += 1
            match self._how:
                case "lost":
                    link.read(max_bytes, timeout_s)
                case "doubled":
                    self.said += b"\x12"
                case "late":
                    time.sleep(0.6)
                    return b""
        return super().read(link, max_bytes, timeout_s)

    def close(self, link: Link) -> None:
        """Another link, another count."""
        self._rounds = 0
        super().close(link)


class Unanswered(Trick):
    """The question behind this slip is lost."""

    answers = False

    def __init__(self, name: str) -> None:
        super().__init__()
        self._title = title_of(name).encode() + b"\n"
        self._within = False

    def write(self, link: Link, data: bytes, timeout_s: float) -> int:
        """The slip goes through, without its question."""
        self._within |= self._title in data
        slip, cut, question = data.partition(b"\x1dVB\0")
        if not self._within or not cut:
            return link.write(data, timeout_s)
        pour(link, slip + cut)
        if self.answers:
            self.said += b"\x37\x22" + question[7:11] + b"\0"
        self._within = False
        return len(data)


class Hasty(Unanswered):
    """It is answered when it is received."""

    answers = True


class Liar(Trick):
    """Answers the question behind this slip at once, whatever pieces it comes in; the printer does not know."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self._title = title_of(name).encode() + b"\n"
        self._seen = b""

    def write(self, link: Link, data: bytes, timeout_s: float) -> int:
        """The slip goes through, with its question."""
        taken = link.write(data, timeout_s)
        self._seen += data[:taken]
        _, title, rest = self._seen.partition(self._title)
        _, question, token = rest.partition(token_request(""))
        if title and question and len(token) >= 4:
            self._seen = b""
            self.said += b"\x37\x22" + token[:4] + b"\0"
        return taken


class Frozen(Trick):
    """Counters that say what `tells` makes of the number of times that they were asked."""

    def __init__(self, tells: Callable[[int], int]) -> None:
        super().__init__()
        self._tells = tells
        self._asked = 0

    def write(self, link: Link, data: bytes, timeout_s: float) -> int:
        """GS g 2 is answered here."""
        if not data.startswith(b"\x1dg2"):
            return link.write(data, timeout_s)
        self.said += b"\x5f" + str(self._tells(self._asked)).encode() + b"\0"
        self._asked += 1
        return len(data)


class EatsNuls(Trick):
    """A cable that drops NULs where there are many, once."""

    def __init__(self) -> None:
        super().__init__()
        self._hungry = True

    def write(self, link: Link, data: bytes, timeout_s: float) -> int:
        """They count as taken."""
        if not self._hungry or not data.startswith(b"\0" * 2000):
            return link.write(data, timeout_s)
        self._hungry = False
        pour(link, data.lstrip(b"\0"))
        return len(data)


class LosesOnce(Trick):
    """Without flow control: a hundred bytes within a picture are lost."""

    def __init__(self) -> None:
        super().__init__()
        self._out = 0

    def write(self, link: Link, data: bytes, timeout_s: float) -> int:
        """Once, after twelve thousand."""
        before, self._out = self._out, self._out + len(data)
        if not before < 12_000 <= self._out or b"\x1dv0" not in data:
            return link.write(data, timeout_s)
        pour(link, data[:1000] + data[1100:])
        return len(data)

    def close(self, link: Link) -> None:
        """Each link has its own picture."""
        self._out = 0
        super().close(link)


class Flaky(Trick):
    """After so many openings it opens no more for a while, or does not answer."""

    def __init__(self, after: int, how: str) -> None:
        super().__init__()
        self._after, self._how = after, how
        self._until = float("inf")

    def open(self, inner: Connector) -> Link:
        """Refused for three seconds."""
        if self.opened == self._after and self._how == "refuses":
            if self._until == float("inf"):
                self._until = time.monotonic() + 3
            if time.monotonic() < self._until:
                raise Unavailable("connection refused")
        return super().open(inner)

    def write(self, link: Link, data: bytes, timeout_s: float) -> int:
        """Deaf for one link."""
        if self.opened == self._after and self._how == "deaf":
            return len(data)
        return link.write(data, timeout_s)


class ForgetsAtClose(Trick):
    """Holds the last bytes back, says that nothing is unsent, and forgets them when it is closed."""

    def __init__(self) -> None:
        super().__init__()
        self._held: dict[int, bytes] = {}

    def write(self, link: Link, data: bytes, timeout_s: float) -> int:
        """The last ones first."""
        del timeout_s
        self._flush(link)
        self._held[id(link)] = data
        return len(data)

    def read(self, link: Link, max_bytes: int, timeout_s: float) -> bytes:
        """Whoever waits for an answer gets it."""
        if timeout_s > 0.01:
            self._flush(link)
        return super().read(link, max_bytes, timeout_s)

    def close(self, link: Link) -> None:
        """Gone."""
        self._held.pop(id(link), None)
        super().close(link)

    def _flush(self, link: Link) -> None:
        pour(link, self._held.pop(id(link), b""))
