"""Where a printer is, written as a link: tcp://192.168.1.50:9100, serial:///dev/ttyUSB0?baud=19200,
usblp:port/1-1.2, usb://04b8:0202, virtual://bar.

Here it is only read and shown; opening one is a matter for the printers' room.
"""

import difflib
import posixpath
import re
from collections.abc import Sequence
from typing import Literal, get_args
from urllib.parse import parse_qsl, quote, unquote

import msgspec

from agent.errors import ConfigError
from agent.model.address import parse_host_port

TCP_PORT = 9100
BAUDS = (1200, 2400, 4800, 9600, 19200, 38400, 57600, 115200)
LONGEST_VIRTUAL = 32
"""Characters: a folder bears the name, and takes 255 bytes."""
BY_PATH = "/dev/usb/by-path/"
"""Where the udev rule that comes with the agent names the printers of usblp by the port they are plugged into."""

Flow = Literal["none", "rtscts", "xonxoff"]
Parity = Literal["none", "even", "odd"]

_USB_PORT = re.compile(r"[1-9]\d*-[1-9]\d*(\.[1-9]\d*)*", re.ASCII)
_USB_MODEL = re.compile(r"[0-9a-f]{4}:[0-9a-f]{4}")
_WRITE_USBLP = "write usblp:/dev/usb/lp0, usblp:by-path/NAME or usblp:port/1-1.2"
_WRITE_USB = "write maker and model as lsusb shows them, usb://04b8:0202, or the port, usb:port/1-1.2"


class TcpLink(msgspec.Struct, frozen=True):
    """A printer on the network; almost all of them listen at port 9100. With a `baud`: a serial one behind a box that
    hands bytes on both ways (a serial device server), and does not tell when the printer loses its power.
    """

    host: str
    port: int = TCP_PORT
    baud: int = 0

    @property
    def bytes_per_s(self) -> float:
        """What the line behind it carries, with start and stop bit; 0 where there is none."""
        return self.baud / 10

    def __str__(self) -> str:
        return self._address + (f"?baud={self.baud}" if self.baud else "")

    @property
    def device(self) -> str:
        """What is the same for two links that lead to one printer."""
        return self._address.lower()

    @property
    def _address(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"tcp://{host}:{self.port}"


class SerialLink(msgspec.Struct, frozen=True):
    """A printer on a serial port; the settings must be those of the printer's switches."""

    path: str
    baud: int = 9600
    flow: Flow = "none"
    bits: int = 8
    parity: Parity = "none"
    stop: int = 1

    @property
    def bytes_per_s(self) -> float:
        """What the line carries, with start, parity and stop bits."""
        return self.baud / (1 + self.bits + (self.parity != "none") + self.stop)

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


class UsblpLink(msgspec.Struct, frozen=True):
    """A USB printer through the kernel's driver. `place` is `/dev/...`, `by-path/NAME` or `port/1-1.2`."""

    place: str

    def __str__(self) -> str:
        return f"usblp:{self.place}"

    @property
    def device(self) -> str:
        """What is the same for two links that lead to one printer."""
        return f"usb:{self.place}" if self.place.startswith("port/") else str(self)


class UsbLink(msgspec.Struct, frozen=True):
    """A USB printer without the kernel's driver: by `model` and perhaps serial number, or by the `port` that it is
    plugged into. `detach`: take it away from the kernel's driver.
    """

    model: str = ""
    serial: str = ""
    port: str = ""
    detach: bool = False

    def __str__(self) -> str:
        return self.device + ("?detach=yes" if self.detach else "")

    @property
    def device(self) -> str:
        """What is the same for two links that lead to one printer."""
        if self.port:
            return f"usb:port/{self.port}"
        return f"usb://{self.model}" + (f"/{quote(self.serial, safe='')}" if self.serial else "")


Link = TcpLink | SerialLink | UsblpLink | UsbLink | VirtualLink


def parse_link(text: str) -> Link:
    """Read a link as an installer writes it.

    Raises ConfigError, which says what is wrong and what to write instead.
    """
    scheme, colon, rest = text.partition(":")
    if scheme == "usblp" and colon:
        return _usblp(rest)
    if scheme == "usb" and colon:
        return _usb(rest)
    if not text.startswith(f"{scheme}://"):
        raise ConfigError(f"'{text}' is not a link; write tcp://HOST or serial:///dev/ttyUSB0?baud=19200")
    rest = rest.removeprefix("//")
    match scheme:
        case "tcp":
            return _tcp(rest)
        case "serial":
            return _serial(rest)
        case "virtual":
            return _virtual(rest)
    raise ConfigError(f"there is no link {scheme}://; use tcp://, serial://, usblp: or usb://{_guess(scheme)}")


def _tcp(rest: str) -> TcpLink:
    address, _, query = rest.partition("?")
    host, port = parse_host_port(address.removesuffix("/"), TCP_PORT)
    baud = _choice(_settings(query, "tcp", ["baud"]), "baud", [str(baud) for baud in BAUDS], "")
    return TcpLink(host, port, int(baud or 0))


def _virtual(name: str) -> VirtualLink:
    if not name or not name.replace("-", "").replace("_", "").isalnum():
        raise ConfigError("the virtual printer's name is wrong; write virtual://NAME, of letters, digits, - and _")
    if len(name) > LONGEST_VIRTUAL:
        raise ConfigError(f"the virtual printer's name is too long; write at most {LONGEST_VIRTUAL} characters")
    return VirtualLink(name)


def _serial(rest: str) -> SerialLink:
    path, _, query = rest.partition("?")
    if not path.startswith("/") or path == "/" or "#" in rest:
        raise ConfigError(
            "the serial port is not an absolute path; write three slashes: serial:///dev/ttyUSB0?baud=19200"
        )
    names = [field.name for field in msgspec.structs.fields(SerialLink)[1:]]
    found = _settings(query, "serial", names)
    return SerialLink(
        path=path,
        baud=int(_choice(found, "baud", [str(baud) for baud in BAUDS], "9600")),
        flow=_choice(found, "flow", get_args(Flow), "none"),  # type: ignore[arg-type]  # one of Flow's words
        bits=int(_choice(found, "bits", ("7", "8"), "8")),
        parity=_choice(found, "parity", get_args(Parity), "none"),  # type: ignore[arg-type]  # as above
        stop=int(_choice(found, "stop", ("1", "2"), "1")),
    )


def _usblp(rest: str) -> UsblpLink:
    place, question, _ = rest.partition("?")
    if question:
        raise ConfigError(f"a usblp link has no settings; {_WRITE_USBLP}")
    if place.startswith("//"):
        place = place[2:]  # as in other links: usblp:///dev/usb/lp0
    if place.startswith("/"):
        place = posixpath.normpath(place)
        if place.startswith(BY_PATH):
            place = "by-path/" + place.removeprefix(BY_PATH)
        elif place.count("/") > 1:
            return UsblpLink(place)
    kind, _, name = place.partition("/")
    if kind == "port":
        return UsblpLink(f"port/{_usb_port(name)}")
    if kind != "by-path" or not re.fullmatch(r"[^/\s#]+", name) or name in (".", ".."):
        raise ConfigError(f"'usblp:{rest}' names no USB printer; {_WRITE_USBLP}")
    return UsblpLink(place)


def _usb(rest: str) -> UsbLink:
    place, _, query = rest.partition("?")
    detach = _choice(_settings(query, "usb", ["detach"]), "detach", ("yes", "no"), "no") == "yes"
    if place.startswith("port/"):
        return UsbLink(port=_usb_port(place.removeprefix("port/")), detach=detach)
    model, slash, serial = place.removeprefix("//").partition("/")
    model = model.lower()
    if not place.startswith("//") or not _USB_MODEL.fullmatch(model):
        raise ConfigError(f"'usb:{rest}' is no USB printer; {_WRITE_USB}")
    serial = unquote(serial)
    if (slash and not serial) or not serial.isprintable() or "#" in place or place.count("/") > 3:
        raise ConfigError(f"the serial number is wrong; write usb://{model}/NUMBER, or leave it out: usb://{model}")
    return UsbLink(model, serial, detach=detach)


def _usb_port(text: str) -> str:
    if not _USB_PORT.fullmatch(text):
        raise ConfigError(f"'{text}' is no USB port; write bus and port as the kernel's messages show them: port/1-1.2")
    return text


def _settings(query: str, kind: str, names: Sequence[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        if name in found:
            raise ConfigError(f"{name} is given twice in the link; write it once")
        if name not in names:
            there = f"there are {', '.join(names)}" if len(names) > 1 else f"there is {names[0]}"
            raise ConfigError(f"a {kind} link has no setting '{name}'; {there}{_guess(name, names)}")
        found[name] = value
    return found


def _choice(found: dict[str, str], name: str, allowed: Sequence[str], default: str) -> str:
    value = found.get(name, default)
    if name in found and value not in allowed:
        raise ConfigError(f"{name}={value} is not possible; use one of {', '.join(allowed)}")
    return value


def _guess(word: str, among: Sequence[str] = ("tcp", "serial", "usblp", "usb", "virtual")) -> str:
    close = difflib.get_close_matches(word, among, 1)
    return f" (did you mean {close[0]}?)" if close else ""
