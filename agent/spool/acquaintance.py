"""Whether the printer at hand is the one that was here before: what it says against what the journal knows."""

from msgspec.structs import replace

from agent import log
from agent.clock import Clock
from agent.config import Printer
from agent.errors import Stranger, Unavailable
from agent.journal import notes
from agent.journal.file import Tx
from agent.journal.store import Journal
from agent.model.acquaintance import Facts, Known, Likeness, compare
from agent.model.printer import Capabilities, Tier
from agent.printers.link import Link
from agent.printers.session import Session

PROBE_AGAIN_S, SPEAKS_AGAIN_S, PROBES, MOST_PROBES = 10.0, 60.0, 3, 12
"""A printer that was found to prove nothing may have been stuck just then: it is asked again, ever less often while
that is in vain, and anew after each connection. Not for ever: what a clone does not know it may print. Whether it says
anything at all is asked between two tickets as long as it prints, each minute: what it took since is in doubt.
"""
_log = log.get("spool")


class Acquaintance:
    """With one printer of the configuration. `facts` are those of the device on the link that is open; `is_verified`:
    it was seen since that opened that they are the known printer's.
    """

    def __init__(self, printer: Printer, journal: Journal) -> None:
        self._name, self._link_text = printer.name, str(printer.link)
        self._journal = journal
        self.facts = Facts()
        self.is_verified = False

    def known(self, reader: Tx) -> Known | None:
        """What was kept of the printer; None when none was met on its link."""
        return notes.known_printer(reader, self._name, self._link_text)

    def meet(self, link: Link, reader: Tx) -> Known | None:
        """A new link: what is known of the printer that should be there.

        Raises:
            Stranger: the cable says that it is another one.
        """
        self.is_verified = False
        self.facts = Facts(link.identity.port, link.identity.device)
        known = self.known(reader)
        if known is not None:
            twin = notes.has_twin(reader, self._name, known)
            if compare(known.facts, self.facts, twin) is Likeness.STRANGER:
                raise Stranger(f"another device is plugged in: {self.facts.words}; it was {known.facts.words}")
        return known

    def verify(self, session: Session, reader: Tx, *, silent: bool = False) -> None:
        """Before anything is printed over a new link: is it the printer that was here before?

        `silent`: it answers no fence, so that saying nothing proves nothing.

        Raises:
            Stranger: it is another one.
            Unavailable: it can't be known yet who it is.
        """
        if self.is_verified:
            return
        told = session.facts()
        known = self.known(reader)
        if told is not None:
            if known is None and session.facts() != told:  # a lost answer would make it a stranger for ever
                raise Unavailable("it said twice who it is, and not the same: it is asked again")
            firmware, *model = told
            self.facts = replace(self.facts, model=" ".join(filter(None, model)), firmware=firmware)
        if known is not None:
            if silent and told is None:
                return
            if known.facts.model and told is None and session.capabilities.tier is not Tier.NONE:
                raise Unavailable(f"it does not say who it is; it was {known.facts.model}")
            self._compare(known)
        self.is_verified = True

    def _compare(self, known: Known) -> None:
        match compare(known.facts, self.facts):
            case Likeness.STRANGER:
                raise Stranger(f"another printer answers: {self.facts.words}; it was {known.facts.words}")
            case Likeness.RENEWED:
                _log.info("spool.firmware_changed", printer=self._name, firmware=self.facts.firmware)
                self.forget()
                raise Unavailable("its firmware is another one: it is asked again what it can prove")

    def keep(self, found: Capabilities, reader: Tx) -> None:
        """Remember what it can prove, and who it is."""
        now = Known(found, self.facts)
        if now != self.known(reader):
            self._journal.write(lambda tx: notes.keep_printer(tx, self._name, self._link_text, now))

    def forget(self) -> None:
        """Whatever answers next is the printer."""
        self._journal.write(lambda tx: notes.forget_printer(tx, self._name))


class Curiosity:
    """When a printer that proves nothing is asked again."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._left_in_all = MOST_PROBES
        self.connected()

    def connected(self) -> None:
        """Over a new link it is asked anew."""
        self._asked_at, self._each_s, self._left = self._clock.monotonic(), PROBE_AGAIN_S, PROBES

    def wants_a_probe(self, session: Session) -> bool:
        """Idle beside it: was it only stuck when it was met? Asked a few times."""
        due = self._clock.monotonic() - self._asked_at >= self._each_s
        if session.capabilities.tier is not Tier.NONE or not due or 0 in (self._left, self._left_in_all):
            return False
        self._left, self._left_in_all = self._left - 1, self._left_in_all - 1
        self._asked_at, self._each_s = self._clock.monotonic(), 2 * self._each_s
        return True

    def hears(self, session: Session) -> bool:
        """Between two tickets: does it answer a status request by now? Asked when that is due."""
        now = self._clock.monotonic()
        if now - self._asked_at < self._each_s:
            return False
        self._asked_at, self._each_s = now, min(2 * self._each_s, SPEAKS_AGAIN_S)
        return session.speaks()
