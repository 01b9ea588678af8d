"""What a person tells the box: carried out in the transaction that remembers it, and answered.

The table has a row for each kind of command. One from the cloud is carried out once: the same again gets the same
answer, and the same identity with other content is refused. One that can't be read is answered too, with the field.
An errand (reload, bundle) works outside the journal: it is entered there, done, and answered.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Generic, TypeVar

import msgspec

from agent import log
from agent.errors import AgentError, CommandRefused, DecodeError
from agent.intake.decode import Envelope, convert, decode_envelope
from agent.journal import commands, dismissals, finishing, notes, notices, pauses, picks, reprints, transfers
from agent.journal.commands import Answered, Begun
from agent.journal.decisions import decide
from agent.journal.file import Tx
from agent.journal.told import paper_at
from agent.model.command import Aim, Ask, Dismiss, Move, Page, Pick, Ready, Reprint, Settle
from agent.model.report import CommandAnswer
from agent.model.station import Station
from agent.model.ticket import IDENTIFY, PAPER, TEST

MOST_ANSWER, MOST_BY = 500, 64
"""Characters: what comes from outside ends up in reports, in the log and on a terminal."""
PREFIX = "command."
EVERY = "all"
MOST_ERRANDS = 8
_PAGES = {"test": TEST, "identify": IDENTIFY, "paper": PAPER}
T = TypeVar("T")
_log = log.get("command")


class Done(msgspec.Struct, frozen=True):
    """What became of a command, in words for whoever gave it; `zh`: the same in Chinese, where it was refused."""

    ok: bool
    answer: str
    zh: str = ""


class Reply(msgspec.Struct, frozen=True):
    """A command from the cloud and its answer, None while it is under way. `fresh`: it was carried out just now, or is
    an `errand` that is to be run, and concluded.
    """

    command: str
    done: Done | None
    fresh: bool = False
    errand: Begun | None = None


class _Row(msgspec.Struct, Generic[T], frozen=True):
    """One kind of command: what it says, and what carries it out. Raises CommandRefused or DecodeError."""

    data: type[T]
    carry_out: Callable[[Tx, T], str]


class Commands:
    """`allow` are the kinds that the cloud may give, None for all; whoever stands at the box may give each. `errands`
    do what their kind asks for, and say in words what was done; they raise AgentError where they refuse.
    """

    def __init__(
        self,
        stations: Sequence[Station] = (),
        printers: Collection[str] = (),
        allow: Collection[str] | None = None,
        errands: Mapping[str, Callable[[Ask], str]] | None = None,
    ) -> None:
        self.allow = allow
        self._homes = {station.name: station.printer or "" for station in stations}
        self._default = next((station.printer or "" for station in stations if station.default), "")
        self._printers = list(printers)
        self._errands = dict(errands or {})
        self._rows: dict[str, _Row[Any]] = {
            "settle": _Row(Settle, _settle),
            "release": _Row(Pick, picks.release),
            "drop": _Row(Pick, picks.drop),
            "reprint": _Row(Reprint, self._reprint),
            "move": _Row(Move, self._move),
            "ready": _Row(Ready, _ready),
            "recall": _Row(Ready, _recall),
            "test": _Row(Page, self._test),
            "pause": _Row(Aim, self._pause),
            "resume": _Row(Aim, self._resume),
            "dismiss": _Row(Dismiss, dismissals.dismiss),
        }

    # -- from anywhere -------------------------------------------------------------------------------------------

    def perform(self, tx: Tx, kind: str, data: Any) -> Done:
        """Carry out a command of the journal's. One that is refused changes nothing."""
        row = self._rows.get(_name(kind))
        if row is None:
            return self._unknown(kind)
        tx.execute("SAVEPOINT command")
        try:
            done = Done(True, row.carry_out(tx, _signed(convert(data, row.data, "$.data"))))
        except (CommandRefused, DecodeError) as exc:
            tx.execute("ROLLBACK TO command")
            done = Done(False, str(exc)[:MOST_ANSWER], getattr(exc, "zh", "")[:MOST_ANSWER])
        tx.execute("RELEASE command")
        return done

    def run(self, kind: str, data: Any) -> Done:
        """Carry out an errand, on the caller's thread and outside any transaction."""
        work = self._errands.get(_name(kind))
        if work is None:
            return self._unknown(kind)
        try:
            return Done(True, work(_signed(_ask(data)))[:MOST_ANSWER])
        except (AgentError, OSError) as exc:
            return Done(False, str(exc)[:MOST_ANSWER], getattr(exc, "zh", "")[:MOST_ANSWER])
        except Exception as exc:  # noqa: BLE001  a fault of ours: whoever asked is told
            _log.exception("command.errand_failed", command=kind)
            return Done(False, f"it failed: {type(exc).__name__}: {exc}"[:MOST_ANSWER])

    def _unknown(self, kind: str) -> Done:
        known = ", ".join(PREFIX + name for name in (*self._rows, *self._errands))
        return Done(False, f"{kind[:50]!r} is no command here; there is {known} - at $.type")

    # -- from the cloud ------------------------------------------------------------------------------------------

    def answer(self, tx: Tx, payload: bytes, attributes: dict[str, str] | None = None) -> Reply:
        """A command from the cloud, and its answer into the outbox. `attributes` are those of binary mode.

        Raises:
            DecodeError: not even its id can be read; park it.
        """
        try:
            envelope = decode_envelope(payload, attributes)
        except DecodeError as exc:
            reply = Reply(_read_id(payload, attributes, exc), Done(False, str(exc)[:MOST_ANSWER]))
        else:
            reply = self._once(tx, envelope)
        if reply.done is not None:
            notes.add_report(tx, CommandAnswer(reply.command, reply.done.ok, reply.done.answer))
        return reply

    def conclude(self, tx: Tx, errand: Begun, done: Done) -> None:
        """An errand was run: remember that, and answer."""
        if commands.finish(tx, errand, done.ok, done.answer):
            notes.add_report(tx, CommandAnswer(errand.id, done.ok, done.answer))

    def _once(self, tx: Tx, envelope: Envelope) -> Reply:
        _, digest = envelope.canonical()
        seen = commands.find(tx, envelope.source, envelope.id)
        if seen is not None:
            return Reply(envelope.id, _said(seen, digest))
        done = self._not_allowed(envelope.type)
        if done is None and _name(envelope.type) in self._errands:
            done = self._cannot_begin(tx, envelope.data)
            if done is None:
                errand = Begun(envelope.source, envelope.id, envelope.type, _ask(envelope.data).by[:MOST_BY])
                commands.begin(tx, errand, digest)
                return Reply(envelope.id, None, fresh=True, errand=errand)
        done = done or self.perform(tx, envelope.type, envelope.data)
        commands.keep(tx, envelope.source, envelope.id, Answered(digest, done.ok, done.answer))
        return Reply(envelope.id, done, fresh=True)

    def _cannot_begin(self, tx: Tx, data: Any) -> Done | None:
        try:
            _ask(data)
        except DecodeError as exc:
            return Done(False, str(exc)[:MOST_ANSWER])
        busy = len(commands.begun(tx)) >= MOST_ERRANDS
        return Done(False, "too much of this is under way here; try again in a minute") if busy else None

    def _not_allowed(self, kind: str) -> Done | None:
        name = _name(kind)
        if self.allow is None or name in self.allow or name not in (*self._rows, *self._errands):
            return None
        return Done(False, f"{kind} is not allowed from the cloud: do it at the box, or write it into commands.allow")

    # -- those that need to know the shop ------------------------------------------------------------------------

    def _reprint(self, tx: Tx, command: Reprint) -> str:
        if command.ticket is None and not command.order:
            raise DecodeError("$.data.order", "name the order, or a ticket of it")
        return reprints.reprint(tx, command, self._home)

    def _home(self, tx: Tx, order_pk: int, station: str) -> str:
        """A station's printer; of one that is no more the one that has the paper."""
        if station in self._homes:
            return self._homes[station]
        return paper_at(tx, order_pk, station) or self._default

    def _move(self, tx: Tx, command: Move) -> str:
        return transfers.move(tx, command, self._named(Aim(command.printer), EVERY)[0])

    def _test(self, tx: Tx, page: Page) -> str:
        (printer,) = self._named(Aim(page.printer), EVERY)
        return f"ticket {notices.post_test(tx, printer, _PAGES[page.page])}: {printer} prints a test page"

    def _pause(self, tx: Tx, aim: Aim) -> str:
        return pauses.pause(tx, self._named(aim), aim.by)

    def _resume(self, tx: Tx, aim: Aim) -> str:
        return pauses.resume(tx, self._named(aim))

    def _named(self, aim: Aim, but: str = "") -> list[str]:
        if aim.printer == EVERY != but and EVERY not in self._printers:
            return self._printers
        if aim.printer not in self._printers:
            there = ", ".join(self._printers) or "none"
            raise CommandRefused(
                f"there is no printer {aim.printer[:50]!r}; there is {there} - at $.data.printer",
                f"没有打印机 {aim.printer[:50]}：现有 {there}",
            )
        return [aim.printer]


def answer_failed(tx: Tx, payload: bytes, attributes: dict[str, str] | None, reason: str) -> None:
    """A fault of ours in carrying it out: nothing of it was done, and whoever gave it is told, where we know who."""
    try:
        command = decode_envelope(payload, attributes).id
    except DecodeError:
        return
    notes.add_report(tx, CommandAnswer(command, False, reason[:MOST_ANSWER]))


def _name(kind: str) -> str:
    """Without what every command begins with; empty where it does not."""
    return kind.removeprefix(PREFIX) if kind.startswith(PREFIX) else ""


def _ask(data: Any) -> Ask:
    """An errand's data, which may be left out."""
    return convert({} if data is None else data, Ask, "$.data")


def _said(seen: Answered, digest: str) -> Done | None:
    """The same command again; or another one under its identity. None while it is under way."""
    if seen.digest != digest:
        return Done(False, "this id came before with another command; give each its own - at $.id")
    return None if seen.ok is None else Done(seen.ok, seen.answer)


def _read_id(payload: bytes, attributes: dict[str, str] | None, fault: DecodeError) -> str:
    """The id of a command whose other attributes are not sound; else the fault is raised."""
    try:
        found: Any = attributes if attributes is not None else msgspec.json.decode(payload)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise fault from None
    name = found.get("id") if isinstance(found, dict) else None
    if not isinstance(name, str) or not 0 < len(name) <= 500:
        raise fault
    return name


def _signed(command: Any) -> Any:
    """Who gave it, in no more characters than a line bears."""
    return msgspec.structs.replace(command, by=command.by[:MOST_BY])


def _settle(tx: Tx, command: Settle) -> str:
    if command.ticket is None and not command.order:
        raise DecodeError("$.data.ticket", "name the ticket, or its order")
    return decide(tx, command)


def _ready(tx: Tx, command: Ready) -> str:
    return finishing.finish(tx, _pointed(command))


def _recall(tx: Tx, command: Ready) -> str:
    return finishing.recall(tx, _pointed(command))


def _pointed(command: Ready) -> Ready:
    if command.ticket is None and not command.order and not command.code:
        raise DecodeError("$.data.ticket", "name the ticket, its order, or the code of its barcode")
    return command
