"""What the broker says that it keeps for us, and who is told when it did not."""

from pathlib import Path
from typing import Any

import pytest

from tests.house import UP, house, told
from tests.office import Said, office
from tests.scripted_broker import Packet, Peer, ScriptedBroker

ASKED_S = 604_800


def is_beat(packet: Packet) -> bool:
    """A PUBLISH of the beat?"""
    return packet.topic == f"{UP}/beat"


def session_in_beat(peer: Peer) -> Any:
    """What the next beat says of the session."""
    return told(peer.expect("PUBLISH", is_beat))["session"]


@pytest.mark.parametrize(("granted", "expiry_s"), [(3600, 3600), (None, ASKED_S), (0, 0)])
def test_beat_says_for_how_long_the_broker_keeps_our_orders(
    broker: ScriptedBroker, tmp_path: Path, granted: int | None, expiry_s: int
) -> None:
    """MQTT 5: a broker that says nothing grants what was asked; one that says less grants less."""
    with house(tmp_path, broker.port):
        asked = {} if granted is None else {"session_expiry": granted}
        peer = broker.welcome(session_present=True, **asked)
        assert session_in_beat(peer) == {"present": True, "expiry_s": expiry_s}


def test_beat_does_not_guess_what_a_broker_of_3_1_1_keeps(broker: ScriptedBroker, tmp_path: Path) -> None:
    """MQTT 3.1.1 has no word for it: unknown is a value."""
    with house(tmp_path, broker.port, protocol="3.1.1"):
        assert session_in_beat(broker.welcome(session_present=True)) == {"present": True, "expiry_s": None}


def test_beat_on_a_new_connection_tells_of_the_new_session(broker: ScriptedBroker, tmp_path: Path) -> None:
    """A session that was lost is seen in the first beat after it."""
    with house(tmp_path, broker.port):
        assert session_in_beat(broker.welcome(session_present=True))["present"] is True
        broker.peers[-1].drop()
        assert session_in_beat(broker.welcome(session_present=False))["present"] is False


def test_session_that_is_shorter_than_asked_is_said_in_the_log(broker: ScriptedBroker, said: Said) -> None:
    """AWS IoT Core grants an hour, EMQX two: an installer should read it."""
    with office(broker.port):
        broker.welcome(session_expiry=3600)
        shortened = said.wait("broker.session_shortened")
        assert (shortened["session_expiry_s"], shortened["asked_s"]) == (3600, ASKED_S)


def test_session_as_long_as_asked_is_no_warning(broker: ScriptedBroker, said: Said) -> None:
    """Nobody is told of what is as it should be."""
    with office(broker.port):
        broker.welcome(session_expiry=ASKED_S)
        assert said.wait("broker.connected")["session_expiry_s"] == ASKED_S
        said.wait("broker.subscribed")
    assert "broker.session_shortened" not in said.events


@pytest.mark.parametrize(("protocol", "advice"), [("5", True), ("3.1.1", False)])
def test_hang_up_before_connack_says_what_to_try(
    broker: ScriptedBroker, said: Said, protocol: str, advice: bool
) -> None:
    """RabbitMQ 3.10 hangs up on MQTT 5 without a word."""
    with office(broker.port, protocol=protocol):
        peer = broker.accept()
        peer.expect("CONNECT")
        peer.drop()
        assert ("write protocol: '3.1.1'" in said.wait("broker.never_answered")["reason"]) is advice
