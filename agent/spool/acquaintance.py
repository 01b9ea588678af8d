"""Whether the printer at hand is the one that was here before: what it says against what the journal knows."""

from msgspec.structs import replace

from agent import log
from agent.config import Printer
from agent.errors import Stranger, Unavailable
from agent.journal import notes
from agent.journal.file import Tx
from agent.journal.store import Journal
from agent.model.acquaintance import Facts, Known, Likeness, compare
from agent.model.printer import Capabilities, Tier
from agent.printers.link import Link
from agent.printers.session import Session

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
