"""What a person tells the box: carried out in the transaction that remembers it, and answered.

The table has a row for each kind of command. One from the cloud is carried out once: the same again gets the same
answer, and the same identity with other content is refused. One that can't be read is answered too, with the field.
"""

from collections.abc import Callable
from typing import Any, Generic, TypeVar

import msgspec

from agent.errors import CommandRefused, DecodeError
from agent.intake.decode import Envelope, convert, decode_envelope
from agent.journal import commands, notes, picks
from agent.journal.commands import Answered
from agent.journal.decisions import decide
from agent.journal.file import Tx
from agent.model.command import Pick, Settle
from agent.model.report import CommandAnswer

MOST_ANSWER, MOST_BY = 500, 64
"""Characters: what comes from outside ends up in reports, in the log and on a terminal."""
T = TypeVar("T")


class Done(msgspec.Struct, frozen=True):
    """What became of a command, in words for whoever gave it."""

    ok: bool
    answer: str


class Reply(msgspec.Struct, frozen=True):
    """A command from the cloud and its answer; `fresh`: it was carried out just now."""

    command: str
    done: Done
    fresh: bool = False


class _Row(msgspec.Struct, Generic[T], frozen=True):
    """One kind of command: what it says, and what carries it out. Raises CommandRefused or DecodeError."""

    data: type[T]
    carry_out: Callable[[Tx, T], str]


def perform(tx: Tx, kind: str, data: Any) -> Done:
    """Carry out a command, wherever it came from. One that is refused changes nothing."""
    row = _ROWS.get(kind)
    if row is None:
        return Done(False, f"{kind[:50]!r} is no command here; there is {', '.join(_ROWS)} - at $.type")
    tx.execute("SAVEPOINT command")
    try:
        done = Done(True, row.carry_out(tx, convert(data, row.data, "$.data")))
    except (CommandRefused, DecodeError) as exc:
        tx.execute("ROLLBACK TO command")
        done = Done(False, str(exc)[:MOST_ANSWER])
    tx.execute("RELEASE command")
    return done


def answer_command(tx: Tx, payload: bytes, attributes: dict[str, str] | None = None) -> Reply:
    """A command from the cloud, and its answer into the outbox. `attributes` are those of binary mode.

    Raises:
        DecodeError: not even its id can be read; park it.
    """
    try:
        envelope = decode_envelope(payload, attributes)
    except DecodeError as exc:
        reply = Reply(_read_id(payload, attributes, exc), Done(False, str(exc)[:MOST_ANSWER]))
    else:
        reply = _once(tx, envelope)
    notes.add_report(tx, CommandAnswer(reply.command, reply.done.ok, reply.done.answer))
    return reply


def answer_failed(tx: Tx, payload: bytes, attributes: dict[str, str] | None, reason: str) -> None:
    """A fault of ours in carrying it out: nothing of it was done, and whoever gave it is told, where we know who."""
    try:
        command = decode_envelope(payload, attributes).id
    except DecodeError:
        return
    notes.add_report(tx, CommandAnswer(command, False, reason[:MOST_ANSWER]))


def _once(tx: Tx, envelope: Envelope) -> Reply:
    _, digest = envelope.canonical()
    seen = commands.find(tx, envelope.source, envelope.id)
    if seen is not None and seen.digest != digest:
        return Reply(envelope.id, Done(False, "this id came before with another command; give each its own - at $.id"))
    if seen is not None:
        return Reply(envelope.id, Done(seen.ok, seen.answer))
    done = perform(tx, envelope.type, envelope.data)
    commands.keep(tx, envelope.source, envelope.id, Answered(digest, done.ok, done.answer))
    return Reply(envelope.id, done, fresh=True)


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


# -- the table -----------------------------------------------------------------------------------------------------


def _settle(tx: Tx, command: Settle) -> str:
    if command.ticket is None and not command.order:
        raise DecodeError("$.data.ticket", "name the ticket, or its order")
    return decide(tx, msgspec.structs.replace(command, by=command.by[:MOST_BY]))


def _release(tx: Tx, pick: Pick) -> str:
    return picks.release(tx, msgspec.structs.replace(pick, by=pick.by[:MOST_BY]))


def _drop(tx: Tx, pick: Pick) -> str:
    return picks.drop(tx, msgspec.structs.replace(pick, by=pick.by[:MOST_BY]))


_ROWS: dict[str, _Row[Any]] = {
    "command.settle": _Row(Settle, _settle),
    "command.release": _Row(Pick, _release),
    "command.drop": _Row(Pick, _drop),
}
