"""What must hold of the line's settings: what a broker's make does not take, and keys by which nobody could sign."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from agent.errors import ConfigError
from agent.model.address import parse_broker_url
from agent.model.preset import Preset, preset_of
from agent.yamlmarks import Reading

OUR_SUBSCRIPTIONS = 3
_PREFIX_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-/")
_MODES = ("Signature", "Token", "DeviceCredential")


def check(reading: Reading) -> None:
    """Add every broken rule to the reading's problems."""
    preset = preset_of(reading.values.get("broker.preset"))
    for rule in _RULES:
        rule(reading, preset)


def time_of(text: str) -> datetime | None:
    """A time as it may be written for a key: with a zone. None when it is none."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo is not None else None


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


def _keys_are_whole(reading: Reading, _preset: Preset) -> None:
    entries = sorted({path.rpartition(".")[0] for path, _ in reading.column("signatures.keys[].algorithm")})
    for entry in entries:
        algorithm = reading.values[f"{entry}.algorithm"]
        file, here = f"{entry}.key_file" in reading.values, f"{entry}.public_key" in reading.values
        if algorithm == "hmac-sha256" and here:
            reading.add(
                f"{entry}.public_key", "no secret in this file; write it into its own and name that as key_file"
            )
        elif file and here:
            reading.add(f"{entry}.public_key", "the key is in key_file already; keep one of them")
        elif not file and not here:
            what = "key_file: its PEM file, or public_key" if algorithm == "ed25519" else "key_file: the secret's file"
            reading.add(entry, f"the key itself is missing; write {what}")
        _times_are_such(reading, entry)
    if "signatures.keys" in reading.values and not reading.values["signatures.keys"]:
        reading.add("signatures.keys", "there is no key; write one, or leave signatures out")
    seen: set[str] = set()
    for path, name in reading.column("signatures.keys[].id"):
        if name in seen:
            reading.add(path, "another key has this id; give each its own")
        seen.add(name)


def _times_are_such(reading: Reading, entry: str) -> None:
    moments: list[Any] = []
    for name in ("not_before", "not_after"):
        text = reading.values.get(f"{entry}.{name}")
        moments.append(time_of(text) if text else None)
        if text and moments[-1] is None:
            reading.add(
                f"{entry}.{name}", f"'{text}' is no time with a zone; write for example 2026-12-01T00:00:00+08:00"
            )
    if all(moments) and moments[0] >= moments[1]:
        reading.add(f"{entry}.not_after", "it lies before not_before; swap them")


_RULES: tuple[Callable[[Reading, Preset], None], ...] = (
    _within_limits,
    _topics_are_taken,
    _prefix_has_its_form,
    _login_has_its_form,
    _keys_are_whole,
)
