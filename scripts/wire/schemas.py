"""The wire, described for integrators: JSON Schemas and an AsyncAPI 3 document, made of the structs that decode and
encode what goes over it. Pure; nothing that runs in a shop imports it. `scripts/protocol` writes the files.
"""

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from agent.broker.topics import topics
from agent.intake.decode import Envelope
from agent.model.command import Aim, Ask, Dismiss, Move, Page, Pick, Ready, Reprint, Settle
from agent.model.order import Cancel, Raw, Upsert
from agent.model.report import AlarmState, CommandAnswer, OrderState, Pong, Rejected, TicketState
from agent.model.wire import ReplayBegin, ReplayEnd
from agent.report.presence import Beat, ReplayRequest, State

VERSION = "1.0.0"
"""Of the wire, not of the agent: another major number is another wire."""
SCHEMA = "http://json-schema.org/draft-07/schema#"
_REFS = "#/definitions/{name}"
_CONTENT = "application/cloudevents+json"
_SEQUENCE = {
    "description": "Decimal, zero-padded to 20 digits, without gaps within a source.",
    "type": "string",
    "pattern": "^[0-9]{1,40}$",
    "examples": ["00000000000000000042"],
}
_TIME = {"type": "string", "format": "date-time"}
_TEXT = {"type": "string"}
_NAMED = {"type": "string", "minLength": 1, "maxLength": 500}
_OPTIONAL = {"datacontenttype": {"const": "application/json"}, "keyid": _TEXT, "signature": _TEXT}


class RawData(msgspec.Struct):
    """Content that is ready to be printed; the event's id is its identity."""

    raw: Raw


class Message(msgspec.Struct, frozen=True):
    """One kind of message. `data` is the struct of its data, None where it has none to speak of; `bare`: the message is
    the data, without an envelope; `also` is what the struct can't say.
    """

    name: str
    title: str
    data: type[msgspec.Struct] | None
    bare: bool = False
    also: Mapping[str, Any] = {}


class Channel(msgspec.Struct, frozen=True):
    """A topic, what goes over it, and which way."""

    name: str
    address: str
    down: bool
    says: str
    messages: Sequence[Message]
    retain: bool = False


_EITHER = {"anyOf": [{"required": ["ticket"]}, {"required": ["order"]}]}
_ANY = {"anyOf": [{"required": ["ticket"]}, {"required": ["order"]}, {"required": ["code"]}]}
_SOME = {"anyOf": [{"required": ["orders"]}, {"required": ["all"]}]}
EVENTS = (
    Message("order.upsert", "The whole order, new or changed", Upsert),
    Message("order.cancel", "The order is off", Cancel),
    Message("print.raw", "Content that is ready to be printed", RawData),
    Message("ping", "A canary: answered by pong, after a trip through the journal", None),
)
ENDS = (
    Message("replay.begin", "A replay begins, and up to where the box had told of; as an event", ReplayBegin),
    Message("replay.start", "The same, as plain JSON", ReplayBegin, bare=True),
    Message("replay.end", "The replay is over, as an event (needed where events are signed)", ReplayEnd),
    Message("replay.marker", "The replay is over, as plain JSON", ReplayEnd, bare=True),
)
COMMANDS = (
    Message("command.settle", "A person's word on a ticket in doubt", Settle, also=_EITHER),
    Message("command.release", "Orders that wait are printed now", Pick, also=_SOME),
    Message("command.drop", "Orders that wait are not printed", Pick, also=_SOME),
    Message("command.reprint", "What was printed, once more, marked", Reprint, also=_EITHER),
    Message("command.move", "A ticket is printed on another printer", Move),
    Message("command.ready", "The kitchen has finished something", Ready, also=_ANY),
    Message("command.recall", "It has not, after all", Ready, also=_ANY),
    Message("command.test", "A test page", Page),
    Message("command.pause", "A printer's tickets wait", Aim),
    Message("command.resume", "They are printed", Aim),
    Message("command.dismiss", "A person has seen an alarm that nothing else ends", Dismiss),
    Message("command.reload", "Read templates and configuration anew", Ask),
    Message("command.bundle", "Write a support bundle on the box", Ask),
)
REPORTS = (
    Message("order.state", "Where an order is", OrderState),
    Message("ticket.state", "Where a ticket is, and what that rests on", TicketState),
    Message("event.rejected", "An event was parked or ignored", Rejected),
    Message("alarm", "Something needs a person, or no longer does", AlarmState),
    Message("pong", "The answer to a ping", Pong),
    Message("command.answer", "What became of a command", CommandAnswer),
)
_T = topics("{prefix}", "{shop}", "{agent}")
CHANNELS = (
    Channel("order", _T.order, True, "Orders, in the order of their sequence.", EVENTS),
    Channel("replay", _T.replay, True, "The original events again, between two markers.", (*EVENTS, *ENDS)),
    Channel("command", _T.command, True, "A person's commands: carried out once and answered.", COMMANDS),
    Channel("report", _T.report, False, "What became of it, at least once, in order for each ticket.", REPORTS),
    Channel(
        "request",
        _T.request,
        False,
        "What was missed, on every connect.",
        (Message("replay.request", "Send what was missed again", ReplayRequest, bare=True),),
    ),
    Channel(
        "beat",
        _T.beat,
        False,
        "Each minute: how the box is.",
        (Message("beat", "How the box is", Beat, bare=True),),
    ),
    Channel(
        "state",
        _T.state,
        False,
        "Birth and death; the death is also the last will.",
        (Message("state", "The box is there, or not", State, bare=True),),
        retain=True,
    ),
)
_PARAMETERS = {
    "prefix": {"description": "As in the configuration.", "default": "shops"},
    "shop": {"description": "The shop's id.", "examples": ["s421"]},
    "agent": {"description": "The box, where a shop has two.", "default": "box1"},
}


def messages() -> dict[str, tuple[Message, bool]]:
    """Every kind of message by its name, and whether it goes down."""
    return {message.name: (message, channel.down) for channel in CHANNELS for message in channel.messages}


def schemas() -> dict[str, dict[str, Any]]:
    """A JSON Schema for each kind of message, complete in itself, by its name."""
    return {name: _schema(message, down) for name, (message, down) in messages().items()}


def asyncapi(examples: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """The AsyncAPI document. `examples` are payloads by message and then by a name of their own; its schemas are files
    beside it.
    """
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "shop-agent",
            "version": VERSION,
            "description": "The wire between a platform's cloud and the box that prints its orders: CloudEvents 1.0 in "
            "JSON over MQTT 5 or 3.1.1, QoS 1. Seen from the box: it receives what goes down and sends what goes up.",
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "channels": {channel.name: _channel(channel) for channel in CHANNELS},
        "operations": {channel.name: _operation(channel) for channel in CHANNELS},
        "components": {
            "messages": {name: _message(*each, examples.get(name, {})) for name, each in messages().items()},
            "messageTraits": {"binary": {"headers": _binary_headers()}},
        },
    }


# -- schemas -----------------------------------------------------------------------------------------------------------


def _schema(message: Message, down: bool) -> dict[str, Any]:
    data, definitions = _data(message)
    head = {"$schema": SCHEMA, "title": message.name, "description": message.title}
    if message.bare:
        return {**head, "allOf": [data], "definitions": definitions}
    envelope = _envelope(message, data) if down else _report(message, data)
    return {**head, **envelope, "definitions": definitions}


def _data(message: Message) -> tuple[dict[str, Any], dict[str, Any]]:
    """The schema of the data, and what it refers to."""
    if message.data is None:
        return {}, {}
    (data,), definitions = msgspec.json.schema_components([message.data], ref_template=_REFS)
    for each in definitions.values():
        each.get("properties", {}).pop("kind", None)  # the tag of a report is its envelope's type
        if "kind" in each.get("required", ()):
            each["required"].remove("kind")
        if "description" in each:
            each["description"] = " ".join(inspect.cleandoc(each["description"]).split())
    return ({"allOf": [data, dict(message.also)]} if message.also else data), definitions


def _envelope(message: Message, data: dict[str, Any]) -> dict[str, Any]:
    """An event on its way down; what is not known here is ignored."""
    ((_, components),) = [msgspec.json.schema_components([Envelope], ref_template=_REFS)]
    own = components["Envelope"]
    known = {"specversion": {"const": "1.0"}, "id": _NAMED, "source": _NAMED, "type": {"const": message.name}}
    known |= {"time": _TIME, "sequence": _SEQUENCE, "data": data}
    properties = {name: known[name] for name in own["properties"]}
    may_lack = message.data in (None, Ask)
    required = [*own["required"], *([] if may_lack else ["data"])]
    return {"type": "object", "required": required, "properties": {**properties, **_OPTIONAL}}


def _report(message: Message, data: dict[str, Any]) -> dict[str, Any]:
    """A report on its way up."""
    properties = {
        "specversion": {"const": "1.0"},
        "id": {**_TEXT, "description": "The same each time that it is sent."},
        "source": {**_TEXT, "description": "//shop-agent/SHOP/AGENT"},
        "type": {"const": message.name},
        "time": _TIME,
        "datacontenttype": {"const": "application/json"},
        "data": data,
    }
    return {"type": "object", "required": list(properties), "properties": properties, "additionalProperties": False}


# -- AsyncAPI ----------------------------------------------------------------------------------------------------------


def _channel(channel: Channel) -> dict[str, Any]:
    return {
        "address": channel.address,
        "description": channel.says,
        "messages": {each.name: {"$ref": f"#/components/messages/{each.name}"} for each in channel.messages},
        "parameters": {name: said for name, said in _PARAMETERS.items() if f"{{{name}}}" in channel.address},
    }


def _operation(channel: Channel) -> dict[str, Any]:
    said: dict[str, Any] = {
        "action": "receive" if channel.down else "send",
        "channel": {"$ref": f"#/channels/{channel.name}"},
        "summary": channel.says,
        "messages": [{"$ref": f"#/channels/{channel.name}/messages/{each.name}"} for each in channel.messages],
        "bindings": {"mqtt": {"qos": 1, "retain": channel.retain, "bindingVersion": "0.2.0"}},
    }
    if channel.name == "command":
        answer = [{"$ref": "#/channels/report/messages/command.answer"}]
        said["reply"] = {"channel": {"$ref": "#/channels/report"}, "messages": answer}
    return said


def _message(message: Message, down: bool, examples: Mapping[str, Any]) -> dict[str, Any]:
    said: dict[str, Any] = {
        "name": message.name,
        "title": message.title,
        "contentType": "application/json" if message.bare else _CONTENT,
        "payload": {"$ref": f"./schemas/{message.name}.json"},
    }
    if down and not message.bare:
        said["traits"] = [{"$ref": "#/components/messageTraits/binary"}]
    if examples:
        said["examples"] = [{"name": name, "payload": payload} for name, payload in examples.items()]
    return said


def _binary_headers() -> dict[str, Any]:
    """The attributes as MQTT 5 user properties; the payload is then the data alone."""
    names = ("specversion", "id", "source", "type", "time", "sequence", "keyid", "signature")
    return {
        "type": "object",
        "description": "Binary mode, on MQTT 5: the event's attributes as user properties, the payload is the data.",
        "properties": {name: _SEQUENCE if name == "sequence" else dict(_TEXT) for name in names},
    }
