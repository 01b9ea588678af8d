"""Where a printer is, written as a link: tcp://192.168.1.50:9100, serial:///dev/ttyUSB0?baud=19200, virtual://bar.

Here it is only read and shown; opening one is a matter for the printers' room.
"""

import difflib
from typing import Literal, get_args
from urllib.parse import parse_qsl, urlsplit

import msgspec

from agent.errors import ConfigError
from agent.model.address import parse_host_port

TCP_PORT = 9100
BAUDS = (1200, 2400, 4800, 9600, 19200, 38400, 57600, 115200)
USB_ANSWER = "USB links are not in this version yet; use tcp:// or serial://"
Flow = Literal["none", "rtscts", "xonxoff"]
Parity = Literal["none", "even", "odd"]


class TcpLink(msgspec.Struct, frozen=True):
    """A printer on the network; almost all of them listen at port 9100."""

    host: str
    port: int = TCP_PORT

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"tcp://{host}:{self.port}"

    @property
    def device(self) -> str:
        """What is the same for two links that lead to one printer."""
        return str(self).lower()


class SerialLink(msgspec.Struct, frozen=True):
    """A printer on a serial port; the settings must be those of the printer's switches."""

    path: str
    baud: int = 9600
    flow: Flow = "none"
    bits: int = 8
    parity: Parity = "none"
    stop: int = 1

    def __str__(self) -> str:
        text = f"serial://{self.path}?baud={self.baud}&flow={self.flow}"
        if (self.bits, self.parity, self.stop) != (8, "none", 1):
            text += f"&bits={self.bits}&parity={self.parity}&stop={self.stop}"
        return text

    @property
    def device(self) -> str:
        """What is the same for two links that lead to one printer."""
        return f"serial://{self.path}"


class VirtualLink(msgspec.Struct, frozen=True):
    """A printer of the simulator, by its name."""

    name: str

    def __str__(self) -> str:
        return f"virtual://{self.name}"

    @property
    def device(self) -> str:
        """What is the same for two links that lead to one printer."""
        return str(self)


Link = TcpLink | SerialLink | VirtualLink


def parse_link(text: str) -> Link:
    """Read a link as an installer writes it.

    Raises ConfigError, which says what is wrong and what to write instead.
    """
    scheme, colon, rest = text.partition(":")
    if scheme in ("usb", "usblp") and colon:
        raise ConfigError(USB_ANSWER)
    if not text.startswith(f"{scheme}://"):
        raise ConfigError(f"'{text}' is not a link; write tcp://HOST or serial:///dev/ttyUSB0?baud=19200")
    match scheme:
        case "tcp":
            return _tcp(rest.removeprefix("//"))
        case "serial":
            return _serial(text)
        case "virtual":
            return _virtual(rest.removeprefix("//"))
    raise ConfigError(f"there is no link {scheme}://; use tcp:// or serial://{_guess(scheme)}")


def _tcp(rest: str) -> TcpLink:
    host, port = parse_host_port(rest.removesuffix("/"), TCP_PORT)
    return TcpLink(host, port)


def _virtual(name: str) -> VirtualLink:
    if not name or not name.replace("-", "").replace("_", "").isalnum():
        raise ConfigError("the virtual printer's name is wrong; write virtual://NAME, of letters, digits, - and _")
    return VirtualLink(name)


def _serial(text: str) -> SerialLink:
    parts = urlsplit(text)
    if parts.netloc or not parts.path.startswith("/") or parts.path == "/" or parts.fragment:
        raise ConfigError(
            "the serial port is not an absolute path; write three slashes: serial:///dev/ttyUSB0?baud=19200"
        )
    found: dict[str, str] = {}
    for name, value in parse_qsl(parts.query, keep_blank_values=True):
        if name in found:
            raise ConfigError(f"{name} is given twice in the link; write it once")
        found[name] = value
    allowed = msgspec.structs.fields(SerialLink)[1:]
    names = [field.name for field in allowed]
    for name in found:
        if name not in names:
            raise ConfigError(
                f"a serial link has no setting '{name}'; there are {', '.join(names)}{_guess(name, names)}"
            )
    return SerialLink(
        path=parts.path,
        baud=int(_choice(found, "baud", [str(baud) for baud in BAUDS], "9600")),
        flow=_choice(found, "flow", get_args(Flow), "none"),  # type: ignore[arg-type]  # one of Flow's words
        bits=int(_choice(found, "bits", ("7", "8"), "8")),
        parity=_choice(found, "parity", get_args(Parity), "none"),  # type: ignore[arg-type]  # as above
        stop=int(_choice(found, "stop", ("1", "2"), "1")),
    )


def _choice(found: dict[str, str], name: str, allowed: list[str] | tuple[str, ...], default: str) -> str:
    value = found.get(name, default)
    if value not in allowed:
        raise ConfigError(f"{name}={value} is not possible; use one of {', '.join(allowed)}")
    return value


def _guess(word: str, among: tuple[str, ...] | list[str] = ("tcp", "serial", "virtual")) -> str:
    close = difflib.get_close_matches(word, among, 1)
    return f" (did you mean {close[0]}?)" if close else ""
