"""The settings of the line to the cloud, and what must hold of them: what a broker's make does not take."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from agent.config.secretfile import credential, read_secret
from agent.errors import ConfigError
from agent.model.address import BrokerAddress, parse_broker_url
from agent.model.preset import Preset, PresetName, preset_of
from agent.yaml.marks import Reading

PASSWORD_VARIABLE = "SHOP_AGENT_BROKER_PASSWORD"
PASSWORD_CREDENTIAL = "broker-password"
OUR_SUBSCRIPTIONS = 3
_PREFIX_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-/")
_MODES = ("Signature", "Token", "DeviceCredential")


class Broker(msgspec.Struct, frozen=True, kw_only=True):
    """The line to the cloud. `client_id` is `{shop}-{agent}` where it is not written. `preset` names the broker's make:
    what it wants is filled in where it is not written, and what it does not take is an error.
    """

    url: Annotated[str, msgspec.Meta(examples=["mqtts://broker.example:8883"])]
    client_id: Annotated[str, msgspec.Meta(max_length=256)] = ""
    username: str = ""
    password_file: Path | None = None
    preset: PresetName | None = None
    protocol: Literal["auto", "5", "3.1.1"] = "auto"
    keepalive_s: Annotated[int, msgspec.Meta(ge=5, le=3600)] = 0
    session_expiry_s: Annotated[int, msgspec.Meta(ge=0, le=4_294_967_295)] = -1
    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None

    @property
    def address(self) -> BrokerAddress:
        """Host, port and whether the line is encrypted."""
        return parse_broker_url(self.url, preset_of(self.preset).tls_port)

    def __post_init__(self) -> None:
        preset = preset_of(self.preset)
        if self.protocol == "auto":
            msgspec.structs.force_setattr(self, "protocol", preset.protocol)
        if not self.keepalive_s:
            msgspec.structs.force_setattr(self, "keepalive_s", preset.keepalive_s)
        if self.session_expiry_s < 0:
            msgspec.structs.force_setattr(self, "session_expiry_s", preset.session_expiry_s)

    def password(self) -> str | None:
        """The password as it is now: from the environment, where it is not empty; else `password_file`, else systemd's
        credential.

        Reads the file each time, so that a changed password needs no restart. Raises ConfigError when the
        file can't be read: say so and try again at the next connection.
        """
        if said := os.environ.get(PASSWORD_VARIABLE):
            return said
        file = self.password_file or credential(PASSWORD_CREDENTIAL)
        return read_secret(file, "the password file").rstrip("\r\n") if file else None

    def password_source(self) -> str:
        """Where it comes from, for a person; "none" without one."""
        if os.environ.get(PASSWORD_VARIABLE):
            return f"${PASSWORD_VARIABLE}"
        if self.password_file:
            return f"password_file {self.password_file}"
        return f"the systemd credential {PASSWORD_CREDENTIAL}" if credential(PASSWORD_CREDENTIAL) else "none"


def check(reading: Reading) -> None:
    """Add every broken rule to the reading's problems."""
    preset = preset_of(reading.values.get("broker.preset"))
    for rule in _RULES:
        rule(reading, preset)


def _within_limits(reading: Reading, preset: Preset) -> None:
    keepalive_s = reading.values.get("broker.keepalive_s")
    if keepalive_s is not None and not preset.least_keepalive_s <= keepalive_s <= preset.most_keepalive_s:
        span = f"{preset.least_keepalive_s} to {preset.most_keepalive_s}"
        reading.add("broker.keepalive_s", f"{preset.name} takes {span} seconds; write {preset.keepalive_s}")
    expiry_s, most_s = reading.values.get("broker.session_expiry_s"), preset.most_session_expiry_s
    if expiry_s is not None and most_s and expiry_s > most_s:
        text = f"{preset.name} keeps a session for at most {most_s} seconds; write {most_s}, or leave it out"
        reading.add("broker.session_expiry_s", text)
    if preset.only_protocol and reading.values.get("broker.protocol") not in (None, "auto", preset.protocol):
        reading.add("broker.protocol", f"{preset.name} speaks {preset.protocol} only; write auto")
    client_id = reading.values.get("broker.client_id", "")
    if preset.most_client_id and len(client_id) > preset.most_client_id:
        text = f"it has {len(client_id)} characters, {preset.name} takes {preset.most_client_id}; shorten it"
        reading.add("broker.client_id", text)


def _topics_are_taken(reading: Reading, preset: Preset) -> None:
    shop, agent = reading.values.get("shop"), reading.values.get("agent", "box1")
    prefix = reading.values.get("prefix", "shops")
    mapped = reading.column("mappings[].topic")
    topics = [("prefix", f"{prefix}/{shop}/up/{agent}/request"), *mapped]
    for path, topic in topics:
        if preset.most_slashes and topic.count("/") > preset.most_slashes:
            reading.add(path, f"{topic} has {topic.count('/')} slashes, {preset.name} takes {preset.most_slashes}")
        if preset.most_topic and len(topic) > preset.most_topic:
            reading.add(path, f"{topic} has {len(topic)} characters, {preset.name} takes {preset.most_topic}")
    if preset.most_subscriptions and len(mapped) > preset.most_subscriptions - OUR_SUBSCRIPTIONS:
        most = preset.most_subscriptions - OUR_SUBSCRIPTIONS
        reading.add(mapped[most][0], f"{preset.name} takes {most} mapped topics at once; bring some on one topic")


def _prefix_has_its_form(reading: Reading, preset: Preset) -> None:
    prefix = reading.values.get("prefix", "shops")
    if not preset.own_prefix:
        if not _PREFIX_CHARACTERS.issuperset(prefix) or prefix.startswith("/"):
            text = f"'{prefix}' is not possible; use only the characters a-z, 0-9, - and / between two words"
            reading.add("prefix", text)
        return
    device, _, product = reading.values.get("broker.username", "").partition("&")
    if device and product and prefix != f"/{product}/{device}/user":
        reading.add(
            "prefix", f"on {preset.name} a device's own topics begin so; write prefix: /{product}/{device}/user"
        )
    for path in ("shop", "agent"):
        if "-" in str(reading.values.get(path, "")):
            reading.add(path, f"{preset.name} takes no - in its topics; write it without")


def _login_has_its_form(reading: Reading, _preset: Preset) -> None:
    username = reading.values.get("broker.username", "")
    match reading.values.get("broker.preset"):
        case "alibaba":
            mode, *names = username.split("|")
            if mode not in _MODES or len(names) != 2 or not all(names):
                text = "write DeviceCredential|ACCESS_KEY_ID|INSTANCE_ID, with its secret in password_file"
                reading.add("broker.username", f"alibaba wants three parts; {text}")
            group, mark, device = reading.values.get("broker.client_id", "").partition("@@@")
            if not (group and mark and device):
                example = f"GID_kitchen@@@{reading.values.get('shop', 's421')}-{reading.values.get('agent', 'box1')}"
                reading.add("broker.client_id", f"alibaba wants GROUP@@@DEVICE; write for example {example}")
        case "alibaba-iot":
            device, _, product = username.partition("&")
            if not (device and product) or "&" in product:
                text = "write DEVICE_NAME&PRODUCT_KEY, with the device's secret in password_file"
                reading.add("broker.username", f"alibaba-iot wants two parts; {text}")
        case "aws":
            _aws_login(reading, username)


def _aws_login(reading: Reading, username: str) -> None:
    try:
        encrypted = parse_broker_url(reading.values.get("broker.url", "")).tls
    except ConfigError:
        return
    if not encrypted:
        reading.add("broker.url", "aws takes encrypted lines only; write mqtts://")
    elif "broker.cert_file" not in reading.values and not username:
        reading.add("broker.preset", "aws wants to know who we are; write broker.cert_file and key_file")


_RULES: tuple[Callable[[Reading, Preset], None], ...] = (
    _within_limits,
    _topics_are_taken,
    _prefix_has_its_form,
    _login_has_its_form,
)
