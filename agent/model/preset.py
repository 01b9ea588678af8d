"""What the well-known brokers want of a client and what they do not do, as their makers document it. Facts only."""

from typing import Literal

import msgspec

Protocol = Literal["5", "3.1.1"]
PresetName = Literal["mosquitto", "emqx", "hivemq", "aws", "alibaba", "alibaba-iot", "nats", "rabbitmq"]
DAY_S = 86_400


class Preset(msgspec.Struct, frozen=True):
    """One kind of broker. `protocol`, `keepalive_s` and `session_expiry_s` are what we ask for unless written.

    `wills`, `retains`: does it know last wills and retained messages? Where it does not, the beats alone say that a
    shop lives. Where `most_…` is 0 nothing is known of a limit. `alpn`: on that port TLS wants a protocol's name.
    """

    name: str
    protocol: Protocol = "5"
    only_protocol: bool = False
    keepalive_s: int = 30
    least_keepalive_s: int = 5
    most_keepalive_s: int = 3600
    session_expiry_s: int = 7 * DAY_S
    most_session_expiry_s: int = 0
    wills: bool = True
    retains: bool = True
    most_client_id: int = 0
    most_topic: int = 0
    most_slashes: int = 0
    most_subscriptions: int = 0
    tls_port: int = 8883
    alpn_port: int = 0
    own_prefix: bool = False


GENERIC = Preset("generic")
PRESETS: dict[str, Preset] = {
    preset.name: preset
    for preset in (
        Preset("mosquitto"),
        Preset("emqx"),
        Preset("hivemq"),
        Preset(
            "aws",
            least_keepalive_s=30,
            most_keepalive_s=1200,
            most_session_expiry_s=7 * DAY_S,
            most_client_id=128,
            most_topic=256,
            most_slashes=7,
            most_subscriptions=8,
            alpn_port=443,
        ),
        Preset(
            "alibaba",
            protocol="3.1.1",
            session_expiry_s=3 * DAY_S,
            most_session_expiry_s=3 * DAY_S,
            wills=False,
            retains=False,
            most_client_id=64,
            most_topic=64,
            most_subscriptions=30,
        ),
        Preset(
            "alibaba-iot",
            protocol="3.1.1",
            keepalive_s=60,
            least_keepalive_s=30,
            most_keepalive_s=1200,
            wills=False,
            retains=False,
            most_client_id=64,
            most_topic=128,
            most_slashes=7,
            tls_port=443,
            own_prefix=True,
        ),
        Preset("nats", protocol="3.1.1", only_protocol=True),
        Preset("rabbitmq", protocol="3.1.1", session_expiry_s=DAY_S, most_session_expiry_s=DAY_S),
    )
}


def preset_of(name: str | None) -> Preset:
    """The preset of that name; one that asks for nothing special where none is named."""
    return PRESETS[name] if name else GENERIC
