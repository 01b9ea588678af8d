"""A host and a port, as written in links and URLs: printer.lan, 192.168.1.50:9100, [fe80::1]:9100."""

import re
from ipaddress import AddressValueError, IPv4Address, IPv6Address

import msgspec

from agent.errors import ConfigError

BROKER_PORTS = {"mqtt": 1883, "mqtts": 8883}

_MAX_HOST = 253
_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)", re.ASCII | re.IGNORECASE)


class BrokerAddress(msgspec.Struct, frozen=True):
    """Where the broker is, and whether the line is encrypted."""

    host: str
    port: int
    tls: bool


def parse_broker_url(text: str, tls_port: int = BROKER_PORTS["mqtts"]) -> BrokerAddress:
    """Read mqtt://HOST[:PORT] or mqtts://HOST[:PORT]; `tls_port` where an encrypted line's is not written.

    Raises ConfigError, which says what is wrong and what to write instead; never with a password in it.
    """
    scheme, mark, rest = text.partition("://")
    if not mark or scheme not in BROKER_PORTS:
        raise ConfigError("it does not begin with mqtts:// or mqtt://; write for example mqtts://broker.example:8883")
    if "@" in rest:
        raise ConfigError("no user and password in the URL; write them as username and password_file")
    host, port = parse_host_port(rest.removesuffix("/"), tls_port if scheme == "mqtts" else BROKER_PORTS[scheme])
    return BrokerAddress(host, port, scheme == "mqtts")


def parse_host_port(text: str, default_port: int) -> tuple[str, int]:
    """Split `host[:port]`. A name in another script is turned into its ASCII form (IDNA).

    Raises ConfigError, which says what is wrong and what to write instead.
    """
    if "@" in text:
        raise ConfigError("a user or password has no place in it; write only HOST or HOST:PORT")
    if re.search(r"[/?#\s]", text):
        raise ConfigError(f"'{text}' is not a host; write only HOST or HOST:PORT, nothing after it")
    bracketed = re.fullmatch(r"\[([^\]]*)\](?::(.*))?", text)
    if bracketed:
        return _ipv6(bracketed[1]), _port(bracketed[2], default_port)
    if text.count(":") > 1:
        raise ConfigError(f"'{text}' has several colons; write an IPv6 address in brackets: [fe80::1]:{default_port}")
    host, colon, port = text.partition(":")
    return _host(host), _port(port if colon else None, default_port)


def _port(text: str | None, default: int) -> int:
    if text is None:
        return default
    if not re.fullmatch(r"[0-9]{1,5}", text) or not 1 <= int(text) <= 65535:
        raise ConfigError(f"the port '{text}' is not a number from 1 to 65535; write for example {default}")
    return int(text)


def _ipv6(text: str) -> str:
    try:
        IPv6Address(text)
    except AddressValueError as exc:
        raise ConfigError(f"[{text}] is not an IPv6 address ({exc}); write for example [fd00::5]") from exc
    _, mark, scope = text.partition("%")
    if mark and not re.fullmatch(r"[A-Za-z0-9._-]{1,15}", scope):  # Linux: at most 15 characters
        raise ConfigError(f"'{scope}' is not a network card's name; write for example [fe80::5%eth0]")
    return text


def _host(text: str) -> str:
    if not text:
        raise ConfigError("the host is missing; write a name or an address, such as 192.168.1.50")
    if re.fullmatch(r"[0-9.]+", text):
        return _ipv4(text)
    ascii_name = text
    if not text.isascii():
        try:
            ascii_name = text.encode("idna").decode("ascii")
        except UnicodeError as exc:
            raise ConfigError(f"'{text}' can't be a host name ({exc}); write its ASCII form (xn--…)") from exc
    labels = ascii_name.removesuffix(".").split(".")
    if len(ascii_name) > _MAX_HOST:
        raise ConfigError(f"the host name has {len(ascii_name)} characters; at most {_MAX_HOST} are possible")
    wrong = next((label for label in labels if not _LABEL.fullmatch(label)), None)
    if wrong is not None:
        raise ConfigError(_label_fault(text, wrong))
    return ascii_name


def _ipv4(text: str) -> str:
    try:
        return str(IPv4Address(text))
    except AddressValueError as exc:
        raise ConfigError(f"'{text}' is not an IPv4 address ({exc}); write four numbers from 0 to 255") from exc


def _label_fault(host: str, label: str) -> str:
    if not label:
        return f"'{host}' has an empty part between its dots; write a name such as broker.example.com"
    if len(label) > 63:
        return f"a part of the host name has {len(label)} characters; at most 63 are possible between two dots"
    return f"'{label}' can't be part of a host name; use letters, digits and -"
