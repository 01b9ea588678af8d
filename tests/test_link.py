"""Links, hosts and broker URLs as installers write them."""

import pytest

from agent.errors import ConfigError
from agent.model.address import BrokerAddress, parse_broker_url
from agent.model.link import Link, SerialLink, TcpLink, UsbLink, UsblpLink, VirtualLink, parse_link

RIGHT = [
    ("tcp://192.168.1.50", TcpLink("192.168.1.50", 9100)),
    ("tcp://192.168.1.50:4000", TcpLink("192.168.1.50", 4000)),
    ("tcp://printer.lan/", TcpLink("printer.lan", 9100)),
    ("tcp://[fd00::5]:9101", TcpLink("fd00::5", 9101)),
    ("tcp://192.168.1.60:4001?baud=19200", TcpLink("192.168.1.60", 4001, 19200)),
    ("tcp://打印机.example", TcpLink("xn--wlr595avud.example", 9100)),
    ("serial:///dev/ttyUSB0", SerialLink("/dev/ttyUSB0", 9600, "none")),
    ("serial:///dev/ttyUSB0?baud=19200&flow=rtscts", SerialLink("/dev/ttyUSB0", 19200, "rtscts")),
    ("serial:///dev/ttyS1?bits=7&parity=even&stop=2", SerialLink("/dev/ttyS1", 9600, "none", 7, "even", 2)),
    ("usblp:by-path/platform-3f980000.usb-usb-0:1.2:1.0", UsblpLink("by-path/platform-3f980000.usb-usb-0:1.2:1.0")),
    ("usblp:/dev/usb/by-path/pci-0000:00:14.0-usb-0:2:1.0", UsblpLink("by-path/pci-0000:00:14.0-usb-0:2:1.0")),
    ("usblp:/dev/usb/lp0", UsblpLink("/dev/usb/lp0")),
    ("usblp:///dev/usb/lp0", UsblpLink("/dev/usb/lp0")),
    ("usblp:port/1-1.2", UsblpLink("port/1-1.2")),
    ("usb://04B8:0202", UsbLink("04b8:0202")),
    ("usb://04b8:0202/J4XF012345", UsbLink("04b8:0202", "J4XF012345")),
    ("usb://0416:5011/no%20%231", UsbLink("0416:5011", "no #1")),
    ("usb://04b8:0202?detach=yes", UsbLink("04b8:0202", detach=True)),
    ("usb:port/1-1.2.4?detach=no", UsbLink(port="1-1.2.4")),
    ("virtual://bar-2", VirtualLink("bar-2")),
]
WRONG = [
    ("usblp:", "write usblp:/dev/usb/lp0"),
    ("usblp:lp0", "write usblp:/dev/usb/lp0"),
    ("usblp://dev/usb/lp0", "write usblp:/dev/usb/lp0"),
    ("usblp:/lp0", "write usblp:/dev/usb/lp0"),
    ("usblp:by-path/", "usblp:by-path/NAME"),
    ("usblp:by-path/../lp0", "usblp:by-path/NAME"),
    ("usblp:port/1.2", "port/1-1.2"),
    ("usblp:/dev/usb/lp0?baud=9600", "no settings"),
    ("usb:04b8:0202", "usb://04b8:0202"),
    ("usb://04b8", "usb://04b8:0202"),
    ("usb://4b8:202", "usb://04b8:0202"),
    ("usb://epson", "as lsusb shows them"),
    ("usb://[::1]", "as lsusb shows them"),
    ("usb://04b8:0202/", "leave it out: usb://04b8:0202"),
    ("usb://04b8:0202/a/b", "usb://04b8:0202/NUMBER"),
    ("usb://04b8:0202?detach=maybe", "one of yes, no"),
    ("usb://04b8:0202?dettach=yes", "did you mean detach?"),
    ("usb:port/usb1", "port/1-1.2"),
    ("serial://[", "three slashes"),
    ("192.168.1.50", "write tcp://HOST"),
    ("tpc://192.168.1.50", "did you mean tcp?"),
    ("tcp://192.168.1.60?baud=9601", "use one of 1200,"),
    ("tcp://192.168.1.60?baud=", "use one of 1200,"),
    ("tcp://192.168.1.60?flow=rtscts", "has no setting 'flow'; there is baud"),
    ("tcp://", "the host is missing"),
    ("tcp://192.168.1.500", "write four numbers from 0 to 255"),
    ("tcp://192.168.1.50:0", "from 1 to 65535"),
    ("tcp://192.168.1.50:９１", "from 1 to 65535"),
    ("tcp://fd00::5", "in brackets"),
    ("tcp://[fd00::zz]", "not an IPv6 address"),
    ("tcp://a..b", "an empty part"),
    ("tcp://" + "a" * 64, "at most 63"),
    ("tcp://" + "a." * 130 + "lan", "at most 253"),
    ("tcp://-a.lan", "use letters, digits and -"),
    ("tcp://a_b!.lan", "use letters, digits and -"),
    ("tcp://host/queue", "nothing after it"),
    ("tcp://me:secret@host", "no place"),
    ("serial://dev/ttyUSB0", "three slashes"),
    ("serial:///", "three slashes"),
    ("serial:///dev/ttyUSB0?baud=9601", "one of 1200, 2400"),
    ("serial:///dev/ttyUSB0?flow=rtscs", "one of none, rtscts, xonxoff"),
    ("serial:///dev/ttyUSB0?speed=9600", "there are baud, flow, bits, parity, stop"),
    ("serial:///dev/ttyUSB0?baud=9600&baud=19200", "given twice"),
    ("virtual://", "write virtual://NAME"),
    ("virtual://a/b", "write virtual://NAME"),
    ("virtual://" + "厨" * 33, "too long; write at most 32"),
]
BROKERS = [
    ("mqtt://broker.lan", BrokerAddress("broker.lan", 1883, False)),
    ("mqtts://broker.example", BrokerAddress("broker.example", 8883, True)),
    ("mqtts://broker.example:443", BrokerAddress("broker.example", 443, True)),
    ("mqtt://[::1]:1884/", BrokerAddress("::1", 1884, False)),
]
NO_BROKERS = [
    "",
    "broker.example",
    "http://broker.example",
    "mqtt://",
    "mqtts://u:hunter2@b",
    "mqtt://b:70000",
]


@pytest.mark.parametrize(("text", "link"), RIGHT)
def test_link_is_read_and_shown(text: str, link: Link) -> None:
    """A link is read with its defaults, and what it is shown as reads the same."""
    assert parse_link(text) == link
    assert parse_link(str(link)) == link


@pytest.mark.parametrize(("text", "says"), WRONG)
def test_wrong_link_says_what_to_write(text: str, says: str) -> None:
    """Whatever is wrong with a link, the answer tells what to write instead."""
    with pytest.raises(ConfigError) as caught:
        parse_link(text)
    assert says in str(caught.value)


def test_device_ignores_settings() -> None:
    """Two links to one port are one device, whatever their speed; case does not matter in a host."""
    assert parse_link("serial:///dev/a?baud=9600").device == parse_link("serial:///dev/a?baud=19200").device
    assert parse_link("tcp://Printer.lan").device == parse_link("tcp://printer.lan:9100").device
    assert parse_link("usb://04B8:0202?detach=yes").device == parse_link("usb://04b8:0202").device


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("usblp:///dev/usb/lp0", "usblp:/dev//usb/lp0"),
        ("usblp:by-path/x-usb-0:1:1.0", "usblp:/dev/usb/by-path/x-usb-0:1:1.0"),
        ("usblp:port/1-1.2", "usb:port/1-1.2"),
    ],
)
def test_a_usb_printer_is_one_device_however_it_is_written(one: str, other: str) -> None:
    """As far as the text can tell: then two printers of the configuration can't be one."""
    assert parse_link(one).device == parse_link(other).device


def test_two_printers_of_one_model_are_two_devices() -> None:
    """Their serial numbers, or their ports, tell them apart; a serial number's case matters."""
    links = ("usb://04b8:0202/a", "usb://04b8:0202/A", "usb:port/1-1.1", "usb:port/1-1.2", "usblp:/dev/usb/lp1")
    assert len({parse_link(link).device for link in links}) == len(links)


@pytest.mark.parametrize(("text", "address"), BROKERS)
def test_broker_url_is_read(text: str, address: BrokerAddress) -> None:
    """The scheme decides about encryption and the default port."""
    assert parse_broker_url(text) == address


@pytest.mark.parametrize("text", NO_BROKERS)
def test_wrong_broker_url_is_refused_without_its_password(text: str) -> None:
    """No broker URL without a scheme and a host; a password in it is never repeated."""
    with pytest.raises(ConfigError) as caught:
        parse_broker_url(text)
    assert "hunter2" not in str(caught.value)
