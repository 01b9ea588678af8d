"""Targets: what an installer writes."""

import re
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from agent import config
from agent.config.pairing import Pairing, make_token, read_token
from agent.console.act import as_request
from agent.console.form import read_pairs
from agent.errors import ConfigError
from agent.intake.mappingfile import SHIPPED
from agent.intake.mappingfile import load as load_mapping
from agent.model.address import parse_broker_url, parse_host_port
from agent.model.link import parse_link
from agent.model.readycode import is_ready_code, ready_code
from agent.yaml.edit import edit
from tests.fuzz.target import Target

_HOME = Path(__file__).parents[2]
_YAML_WORDS = [
    *(
        b":",
        b"- ",
        b"\n",
        b"  ",
        b"\t",
        b"{",
        b"[",
        b"&a ",
        b"*a",
        b"<<: *a",
        b"|",
        b">",
        b"!!python/object:os.system ",
        b"'",
        b'"',
    ),
    *(
        b"!!binary ",
        b"~",
        b"yes",
        b"0x1f",
        b"1e9",
        b".inf",
        b"? ",
        b"---\n",
        b"%YAML 1.2\n",
        b"#",
        b"\xef\xbb\xbf",
        b"\xa1\xa3",
        b"\0",
    ),
]
_CONFIGS = [
    b"shop: s1\nbroker:\n  url: mqtts://b.example\n  password_file: p\nprinters:\n  - name: wok\n    link: tcp://10.0.0.9\n",
    b"shop: s1\nagent: box2\nbroker: {url: 'mqtt://h:1', protocol: '3.1.1', keepalive_s: 30}\nintake: {old: print}\n"
    b"printers: [{name: a, link: 'usblp:/dev/usb/lp0', backup: b}, {name: b, link: 'serial:///dev/ttyS0?baud=9600'}]\n"
    b"stations: [{name: k, printer: a, default: true, match: {category: [x]}}]\n",
]
_LINKS = [
    *(
        b"tcp://192.168.1.50:9100",
        b"serial:///dev/ttyUSB0?baud=19200&flow=rtscts",
        b"usblp:/dev/usb/lp0",
        b"usb:04b8:0e15",
    ),
    *(b"usblp:usb-1.2", b"virtual://wok", b"tcp://[fe80::1]:9100", b"usb:04b8:0e15?serial=X"),
]
_URLS = [
    b"mqtts://broker.example:8883",
    b"mqtt://[::1]",
    b"mqtt://\xe4\xbe\x8b\xe5\xad\x90.example:1",
    b"mqtt://10.0.0.1/",
]
_HOSTS = [b"10.0.0.1:9100", b"printer.local", b"[fe80::1%eth0]:1", b"\xe4\xbe\x8b\xe5\xad\x90.example"]
_ADDRESS_WORDS = [
    b":",
    b"/",
    b"//",
    b"[",
    b"]",
    b"?",
    b"&",
    b"=",
    b"@",
    b"%",
    b".",
    b"xn--",
    b"\xe3\x80\x82",
    b"65536",
    b"a" * 70,
]
_PLACE = re.compile(r".+:\d+:\d+: |.+: ")


_PAIRINGS = [
    Pairing("s421", "mqtts://broker.example:8883", "s421-box1", "hush", "emqx", "shops", "box2", "-----BEGIN"),
    Pairing("s1", "mqtt://127.0.0.1"),
]
_FORMS = [
    b"ticket=12&decision=again",
    b"orders=a&orders=b&all=1&channel=test",
    f"code={ready_code('test', '8812', 'wok', 1)}".encode(),
    "pin=274859&next=%2Fsetup&name=后厨".encode(),
]


class _File:
    """Reads inputs through a file in memory. Each line of an error says where and what."""

    def __init__(self, read: Callable[[Path], Any]) -> None:
        folder = Path("/dev/shm")
        self._folder = tempfile.TemporaryDirectory(dir=folder if folder.is_dir() else None)
        self._path = Path(self._folder.name, "it.yaml")
        self._read = read

    def feed(self, data: bytes) -> str:
        self._path.write_bytes(data)
        try:
            self._read(self._path)
        except ConfigError as exc:
            lines = str(exc).split("\n")
            assert all(_PLACE.match(line) for line in lines), lines
            return f"{len(lines)} {lines[0].partition(': ')[2]}"
        return "fine"


def _address(parse: Callable[[str], Any], data: bytes) -> str:
    """What is understood is a value that can be compared and said; a host is ASCII."""
    found = parse(data.decode("utf-8", "replace"))
    assert found == found
    host = getattr(found, "host", found[0] if isinstance(found, tuple) else "")
    assert re.fullmatch(r"[!-.0-?A-~]*", host), host
    return type(found).__name__


def _token(data: bytes) -> str:
    """What is read of a pairing token is what would be made of it."""
    found = read_token(data.decode("utf-8", "replace"))
    assert read_token(make_token(found)) == found
    return f"{bool(found.password)}{bool(found.ca)}{bool(found.preset)}"


def _edited(data: bytes) -> str:
    """A machine's change of a file: what it touches is as wanted, and a second time there is nothing to do."""
    text = data.decode("utf-8", "replace")
    first = edit(text, lambda tree: tree.update(language="zh"), "it.yaml")
    assert edit(first.text, lambda tree: tree.update(language="zh"), "it.yaml").text == first.text
    assert edit(first.text, lambda _: None, "it.yaml").now["language"] == "zh"
    return f"{len(first.was)}"


def _sent(data: bytes) -> str:
    """A form of a page; what a scanner types is in one."""
    found = read_pairs(data, 50)
    return f"{len(found)} {sum(is_ready_code(value) for _, value in found)} {sorted(as_request(found))[:3]}"


def targets() -> list[Target]:
    """All of them."""
    mappings = [(SHIPPED / f"{name}.yaml").read_bytes() for name in ("flat", "square")]
    wrong = (ConfigError,)
    return [
        Target("configuration", _File(config.load).feed, _CONFIGS, _YAML_WORDS, weight=6),
        Target(
            "mapping file",
            _File(load_mapping).feed,
            mappings,
            [*_YAML_WORDS, b"@", b"[?", b"||", b"ts(", b"`"],
            weight=6,
        ),
        Target("machine's edit", _edited, _CONFIGS, _YAML_WORDS, wrong, 3),
        Target("pairing token", _token, [make_token(each).encode() for each in _PAIRINGS], [b"SAP1.", b"="], wrong, 2),
        Target(
            "form of a page", _sent, _FORMS, [b"&", b"=", b"%", b"+", b"orders=", b"ticket=", b"all="], (ValueError,), 2
        ),
        Target("link", lambda data: _address(parse_link, data), _LINKS, _ADDRESS_WORDS, wrong, 3),
        Target("broker's URL", lambda data: _address(parse_broker_url, data), _URLS, _ADDRESS_WORDS, wrong, 3),
        Target(
            "host", lambda data: _address(lambda text: parse_host_port(text, 1), data), _HOSTS, _ADDRESS_WORDS, wrong, 2
        ),
    ]
