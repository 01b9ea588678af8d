"""`shop-agent sign`: an event with the signature that a box accepts, for integrators to compare with."""

import base64
import hashlib
import hmac
import json
import sys
from pathlib import Path

import click
import msgspec

from agent.errors import ConfigError, DecodeError
from agent.intake.decode import decode_envelope
from agent.intake.keyfile import read_private, read_secret
from agent.intake.signature import signed_bytes

_OURS = ("keyid", "signature", "data")


@click.command()
@click.argument("event", type=click.Path(path_type=Path))
@click.option("--key", "key_file", type=click.Path(path_type=Path), required=True, help="Private key (PEM), or secret.")
@click.option("--keyid", required=True, help="The key's id in the box's configuration.")
@click.option("--shop", required=True, help="The shop that the event is for.")
@click.option("--agent", default="", help="The box, for a command; not for an order.")
@click.option("--show-signed", is_flag=True, help="Print what is signed instead, byte for byte.")
def sign(event: Path, key_file: Path, keyid: str, shop: str, agent: str, show_signed: bool) -> None:
    """Print EVENT, a CloudEvent in a JSON file (- is standard input), with its signature. The file of an Ed25519 key is
    PEM; any other is the secret of hmac-sha256.
    """
    payload = _read(event)
    try:
        envelope = decode_envelope(payload)
        data = bytes(msgspec.json.decode(payload.strip(), type=dict[str, msgspec.Raw]).get("data", b""))
        said = signed_bytes(f"{shop}/{agent}" if agent else shop, keyid, envelope, data)
    except DecodeError as exc:
        raise ConfigError(f"{event}: {exc.reason} - at {exc.path}; mend the event") from exc
    if envelope.type.startswith("command.") and not agent:
        click.echo(
            "警告 warning: a command is signed for one box, add --agent box1: every box refuses this one", err=True
        )
    elif agent and not envelope.type.startswith("command."):
        click.echo(
            "警告 warning: orders are signed for the shop, leave --agent out: every box refuses this one", err=True
        )
    if show_signed:
        click.echo(said, nl=False)
        return
    signature = base64.b64encode(_signature(key_file, said)).decode()
    click.echo(_joined(payload, keyid, signature, data))


def _read(event: Path) -> bytes:
    if str(event) == "-":
        return sys.stdin.buffer.read()
    try:
        return event.read_bytes()
    except OSError as exc:
        raise ConfigError(f"{event}: it can't be read ({exc.strerror}); name a JSON file, or - for input") from exc


def _signature(key_file: Path, said: bytes) -> bytes:
    private = read_private(key_file)
    if private is not None:
        return private.sign(said)
    return hmac.new(read_secret(key_file), said, hashlib.sha256).digest()


def _joined(payload: bytes, keyid: str, signature: str, data: bytes) -> str:
    """The event again, its data as it stood: another writer of JSON may write it otherwise."""
    tree = {name: value for name, value in json.loads(payload).items() if name not in _OURS}
    head = json.dumps({**tree, "keyid": keyid, "signature": signature}, ensure_ascii=False)
    return head if not data else f'{head[:-1]}, "data": {data.decode()}}}'
