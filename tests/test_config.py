"""The configuration file: what it means, and every way in which it can be wrong."""

import os
from pathlib import Path

import pytest

from agent.config import Broker, Config, load
from agent.config.warnings import warnings
from agent.errors import ConfigError
from agent.model.link import TcpLink
from agent.model.station import Station

ROOT = Path(__file__).parent.parent
START = "shop: s421\nbroker: {url: mqtt://localhost}\n"  # two lines; what a test adds begins on line 3


def read(tmp_path: Path, text: str | bytes) -> Config:
    """The configuration that the text means."""
    path = tmp_path / "shop.yaml"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return load(path)


def line_of(config: Config) -> Broker:
    """The line's settings, where there are any."""
    assert config.broker is not None
    return config.broker


def faults(tmp_path: Path, text: str | bytes) -> list[str]:
    """The errors of the text, each without the file's name."""
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, text)
    lines = str(caught.value).split("\n")
    prefix = f"{tmp_path / 'shop.yaml'}:"
    assert all(line.startswith(prefix) for line in lines)
    return [line.removeprefix(prefix) for line in lines]


def test_shop_and_url_are_enough(tmp_path: Path) -> None:
    """Two settings start an agent; everything else has a default."""
    config = read(tmp_path, START)
    assert (config.shop, config.agent, config.prefix, config.language) == ("s421", "box1", "shops", "both")
    assert (line_of(config).client_id, line_of(config).protocol) == ("s421-box1", "5")
    assert line_of(config).address.port == 1883
    assert config.data_dir == Path("/var/lib/shop-agent")
    assert config.effective_stations() == [Station(name="kitchen", printer=None, default=True)]


def test_a_shop_may_have_no_cloud(tmp_path: Path) -> None:
    """Nothing but the shop: orders come from its own network, and whoever did not mean that is told."""
    assert read(tmp_path, "shop: s421\nbroker:\n").broker is None
    alone = read(tmp_path, f"shop: s421\ndata_dir: {tmp_path}")
    assert alone.broker is None
    assert "broker: there is none: no order can come in" in warnings(alone)[0]
    local = read(tmp_path, f'shop: s421\ndata_dir: {tmp_path}\nconsole: {{listen: "127.0.0.1:8480"}}')
    assert "broker: there is none: orders come from the shop's own network alone" in warnings(local)[0]


def test_example_file_loads() -> None:
    """The file that we ship is right, and shows every setting."""
    text = (ROOT / "config/shop-agent.example.yaml").read_text("utf-8")
    config = load(ROOT / "config/shop-agent.example.yaml")
    assert [printer.name for printer in config.printers] == ["kitchen", "bar"]
    assert config.stations[1].match.sku == ["0421", "DJ01"]
    parts = (line_of(config), config.printers[0], config.stations[0], config.limits, config.report, config.intake)
    for struct in (config, *parts):
        for field in struct.__struct_fields__:
            assert f"{field}:" in text, f"{field} is not in the example"


def test_longest_topic_has_64_characters(tmp_path: Path) -> None:
    """A prefix may be as long as the longest topic allows, and no longer (see ONE_FAULT)."""
    config = read(tmp_path, START + f"prefix: {'b' * 43}")
    assert len(f"{config.prefix}/{config.shop}/up/{config.agent}/request") == 64


def test_printer_defaults(tmp_path: Path) -> None:
    """A printer needs a name and a link; its dots follow its width unless written."""
    text = "printers: [{name: 后厨, link: tcp://10.0.0.9, width: 32}, {name: b, link: virtual://b, dots: 384}]"
    config = read(tmp_path, START + text)
    kitchen, bar = config.printers
    assert (kitchen.link, kitchen.dots) == (TcpLink("10.0.0.9"), 384)
    assert (kitchen.charset, kitchen.confirm) == ("gbk", "auto")
    assert (bar.width, bar.dots) == (48, 384)
    assert config.printer("b") is bar


@pytest.mark.parametrize("typed", ["0421", "421", "no", "on", "1e3", "0x1f", "true", "2026-11-22"])
def test_text_stays_what_was_typed(tmp_path: Path, typed: str) -> None:
    """Where text is wanted, nothing that was typed turns into a number, a date or a truth."""
    config = read(tmp_path, f"shop: {typed}\nbroker: {{url: mqtt://b, username: {typed}}}")
    assert (config.shop, line_of(config).username) == (typed, typed)


def test_words_in_lists_stay_what_was_typed(tmp_path: Path) -> None:
    """Times, octals, nulls and no are ordinary words in a match."""
    config = read(tmp_path, START + "stations: [{name: a, match: {sku: [0421, 11:30, no, null, 1.50, 'a b']}}]")
    assert config.stations[0].match.sku == ["0421", "11:30", "no", "null", "1.50", "a b"]


@pytest.mark.parametrize(("typed", "width"), [("48", 48), ("048", 48), ('"32"', 32), ("+32", 32)])
def test_number_is_read_where_one_is_wanted(tmp_path: Path, typed: str, width: int) -> None:
    """Digits are decimal, quoted or not, whatever they begin with."""
    config = read(tmp_path, START + f"printers: [{{name: a, link: virtual://a, width: {typed}}}]")
    assert config.printers[0].width == width


@pytest.mark.parametrize(
    ("typed", "value"), [("yes", True), ("On", True), ("TRUE", True), ("no", False), ("off", False)]
)
def test_truth_is_read_where_one_is_wanted(tmp_path: Path, typed: str, value: bool) -> None:
    """yes, on and true are the same, and so are their opposites."""
    config = read(tmp_path, START + f"stations: [{{name: a, default: {typed}}}]")
    assert config.stations[0].default is value


@pytest.mark.parametrize("typed", ["", "~", "null"])
def test_empty_setting_is_not_written(tmp_path: Path, typed: str) -> None:
    """A setting without a value has its default."""
    assert read(tmp_path, START + f"language: {typed}\nprinters: {typed}").language == "both"


def test_relative_paths_start_at_the_files_folder(tmp_path: Path) -> None:
    """Where the agent is started does not change what a path means."""
    assert read(tmp_path, START + "data_dir: data").data_dir == tmp_path / "data"


def test_console_may_be_off_or_listen(tmp_path: Path) -> None:
    """The console's setting is accepted in both forms."""
    assert read(tmp_path, START + "console: off").console == "off"
    listening = read(tmp_path, START + 'console: {listen: "0.0.0.0:8480"}')
    assert listening.console != "off"
    assert not any("console" in text for text in warnings(listening))


ONE_FAULT = [
    ("shop: a\nbroker: {}", "2:9: broker.url: it is missing; write for example url: mqtts://broker.example:8883"),
    ("broker: {url: mqtt://b}", "1:1: shop: it is missing; write for example shop: s421"),
    (START + "printrs: []", "3:1: printrs: there is no such setting; did you mean 'printers'?"),
    (START + "xyzzy: 1", "3:1: xyzzy: there is no such setting; there are: shop, agent, prefix, "),
    (START + "agent: a\nagent: b", "4:1: agent: it is written twice, on line 3 and on line 4; keep one"),
    (START + "agent: Box 1", "3:8: agent: 'Box 1' is not possible; use only the characters a-z, 0-9 and -"),
    (START + f"agent: {'a' * 33}", "3:8: agent: it has 33 characters; at most 32 are possible"),
    (
        START + f"prefix: {'b' * 44}",
        f"1:7: shop: the topic {'b' * 44}/s421/up/box1/request has 65 characters",
    ),
    (START + "language: cn", "3:11: language: 'cn' is not possible; write one of zh, en, both"),
    (START + "language: [zh]", "3:11: language: one value is wanted here"),
    (START + 'language: "zh\\n"', "3:11: language: it holds a control character"),
    (START + "language: !x zh", "3:11: language: tags such as !x mean nothing here"),
    (
        START + "timezone: Asia/Shangai",
        "3:11: timezone: there is no time zone 'Asia/Shangai'; did you mean 'Asia/Shan",
    ),
    (
        START + "timezone: Asia/Beijing",
        "3:11: timezone: there is no time zone 'Asia/Beijing'; did you mean 'Asia/Shanghai'?",
    ),
    (START + "timezone: GMT+8", "3:11: timezone: there is no time zone 'GMT+8'; did you mean 'Asia/Shanghai'?"),
    (
        "shop: s421\nbroker: {url: mqtt://b, prefix: a}",
        "2:25: broker.prefix: there is no such setting here; it belongs at the top of the file: write prefix: without",
    ),
    (START + "timezone: ../../etc/passwd", "3:11: timezone: there is no time zone"),
    (START + "console: of", "3:10: console: 'of' is not possible; did you mean 'off'?"),
    (START + 'console: {listen: "a:b"}', "3:19: console.listen: the port 'b' is not a number"),
    (START + "limits: 3", "3:9: limits: a group of settings is wanted here (keep_orders)"),
    (
        START + "limits: {keep_orders: 0}",
        "3:23: limits.keep_orders: 0 is out of range; write a number from 1000 to 1000000",
    ),
    (
        START + "limits: {keep_orders: 1e3}",
        "3:23: limits.keep_orders: '1e3' is not a whole number; write digits only",
    ),
    (
        START + "printers: [{name: k, link: 'tcp://h', connect_timeout_s: .inf}]",
        "3:58: printers[0].connect_timeout_s: '.inf' is not a number",
    ),
    (START + "printers: kitchen", "3:11: printers: a list is wanted here"),
    (
        START + "printers: [{name: a}]",
        "3:12: printers[0].link: it is missing; write for example link: tcp://",
    ),
    (
        START + "printers: [{name: a, link: usb://04b8}]",
        "3:28: printers[0].link: 'usb://04b8' is no USB printer; write maker and model as lsusb shows them, usb://04b8:0202",
    ),
    (
        START + "printers: [{name: a b, link: virtual://a}]",
        "3:19: printers[0].name: 'a b' is not possible; use letters",
    ),
    (
        START + "stations: [{name: a, default: maybe}]",
        "3:31: stations[0].default: 'maybe' is neither yes nor no",
    ),
    (
        START + "stations: [{name: a, copies: 0}]",
        "3:30: stations[0].copies: 0 is out of range; write a number from 1",
    ),
    (
        START + "stations: [{name: a, printer: bar}]",
        "3:31: stations[0].printer: there is no printer 'bar'; add it",
    ),
    ("shop: a\nbroker: {url: broker.lan}", "2:15: broker.url: it does not begin with mqtts:// or mqtt://"),
    ("shop: a\nbroker: {url: mqtts://u:p@b}", "2:15: broker.url: no user and password in the URL"),
    ("shop: a\nbroker: {url: mqtts://b, password: x}", "2:26: broker.password: no password in this file"),
    ("shop: a\nbroker: {url: mqtts://b, cert_file: x}", "2:37: broker.cert_file: it needs the other half"),
    (
        "shop: a\nbroker: {url: mqtt://b, ca_file: x}",
        "2:34: broker.ca_file: it has no effect on the open line",
    ),
]


@pytest.mark.parametrize(("text", "fault"), ONE_FAULT)
def test_fault_is_named_with_its_place(tmp_path: Path, text: str, fault: str) -> None:
    """Every fault says line, column, setting, what is wrong and what to write instead."""
    (line,) = faults(tmp_path, text)
    assert line.startswith(fault)


NOT_YAML: list[tuple[str | bytes, str]] = [
    ("shop: x\n\tbroker: 3", "2:1: a tab; indent with spaces only"),
    ("shop：x\nbroker: {}", "1:5: a full-width colon ：; write an ordinary : and a space"),
    ("shop：x", "1:5: a full-width colon"),
    ("printers: [{name: kitchen，link: 'a'}]", "1:26: a full-width comma ，; write an ordinary ,"),
    ("broker: {username: “s421”, url: a: b}", "1:20: Chinese quotes “ ”; write ordinary ones, or none"),
    (
        'shop: "ok"  # ，\nprinters:\n  - {name: "k, link: a}\n  - {name: "b", link: c}',
        "3:12: a quote is opened and never closed",
    ),
    ("shop:x\nbroker: y", "1:5: no space after the colon; write it as name: value"),
    ("sku:\n- a\n-b\n", "3:1: no space after the dash"),
    ("shop: x: y", "1:8: a second ': '"),
    ('shop: "x\nbroker: 3\n', "1:7: a quote is opened and never closed; close it"),
    ("broker: {url: a\nshop: x", "2:5: a comma or the closing bracket is missing"),
    ("a:\n  - a\n b", "3:2: it is not aligned with the lines above"),
    ("shop: x\nbroker\n", "2:1: this line has no ': '; write it as name: value"),
    ("shop: *a", "1:7: a value that begins with * means a reference in YAML; put it in quotes"),
    ("shop: @a", "1:7: a value can't begin with @; put it in quotes"),
    ("shop: a\n---\nshop: b", "2:1: a second document begins here; remove the line ---"),
    ("- a\n- b", "1:1: a group of settings is wanted here"),
    ("a: " + "[" * 5000, "1:1: it is nested too deeply"),
    ("shop: a\x01b", "1:8: an invisible control character (U+0001); delete it"),
    (b"shop: \xb5\xea", "1:7: this is not UTF-8 text (perhaps GBK); save the file as UTF-8"),
]


@pytest.mark.parametrize(("text", "fault"), NOT_YAML)
def test_syntax_error_is_in_plain_words(tmp_path: Path, text: str | bytes, fault: str) -> None:
    """A file that is not YAML gets one line, at the place to change, in words for an installer."""
    (line,) = faults(tmp_path, text)
    assert line.startswith(fault)


def test_every_error_is_found_at_once(tmp_path: Path) -> None:
    """One look is enough: faults of one setting do not hide those of another, or rules between them."""
    text = """shop: 4 21
broker: {url: "mqtts://b..c", keepalive_s: x}
printers:
  - {name: kitchen, link: "usb://1", widht: 32}
  - {name: kitchen, link: tcp://10.0.0.9}
  - {name: bar, link: "tcp://10.0.0.9:9100"}
stations:
  - {name: wok, printer: kitchn, default: yes}
  - {name: wok, printer: bar, backup: bar, default: yes}
"""
    places = [line.split(": ")[:2] for line in faults(tmp_path, text)]
    assert places == [
        ["1:7", "shop"],
        ["2:15", "broker.url"],
        ["2:44", "broker.keepalive_s"],
        ["4:27", "printers[0].link"],
        ["4:38", "printers[0].widht"],
        ["5:12", "printers[1].name"],
        ["6:23", "printers[2].link"],
        ["8:26", "stations[0].printer"],
        ["9:12", "stations[1].name"],
        ["9:39", "stations[1].backup"],
        ["9:53", "stations[1].default"],
    ]


def test_printer_with_a_fault_is_still_known_to_its_station(tmp_path: Path) -> None:
    """One fault is one line: a printer whose link is wrong does not make its station wrong too."""
    text = START + "printers: [{name: a, link: x}]\nstations: [{name: s, printer: a}]"
    assert len(faults(tmp_path, text)) == 1


def test_errors_stay_on_their_lines(tmp_path: Path) -> None:
    """A key with a line end in it can't make an error look like two."""
    (line,) = faults(tmp_path, START + '"a\\nb": 1')
    assert "a\N{REPLACEMENT CHARACTER}b" in line


def test_windows_file_is_read(tmp_path: Path) -> None:
    """A byte order mark and CRLF, as Notepad writes them, are no fault."""
    assert read(tmp_path, b"\xef\xbb\xbf" + START.replace("\n", "\r\n").encode()).shop == "s421"


def test_unreadable_file_is_said(tmp_path: Path) -> None:
    """A missing file and a folder are named, with what to do."""
    for path, says in ((tmp_path / "none.yaml", "there is no such file"), (tmp_path, "it can't be read")):
        with pytest.raises(ConfigError) as caught:
            load(path)
        assert str(caught.value).startswith(f"{path}: {says}")
        assert "--config FILE" in str(caught.value)


STATIONS = [
    ("[]", [("kitchen", "p", True)]),
    ("[{name: a}, {name: b}]", [("a", None, True), ("b", None, False)]),
    ("[{name: a}, {name: b, default: yes}]", [("a", None, False), ("b", None, True)]),
]


@pytest.mark.parametrize(("text", "expected"), STATIONS)
def test_there_is_always_one_default_station(
    tmp_path: Path, text: str, expected: list[tuple[str, str | None, bool]]
) -> None:
    """The default station is the marked one, else the first, else one made for the first printer."""
    config = read(tmp_path, START + f"printers: [{{name: p, link: virtual://p}}]\nstations: {text}")
    assert [(s.name, s.printer, s.default) for s in config.effective_stations()] == expected


def test_password_comes_from_environment_then_file_then_credential(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The password is looked for at every call, so a changed one needs no restart."""
    monkeypatch.delenv("SHOP_AGENT_BROKER_PASSWORD", raising=False)
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    with_file = line_of(read(tmp_path, "shop: a\nbroker: {url: mqtt://b, password_file: pass}"))
    without = line_of(read(tmp_path, START))
    assert without.password() is None
    with pytest.raises(ConfigError, match="the password file can't be read"):
        with_file.password()
    (tmp_path / "pass").write_text("one\n")
    assert with_file.password() == "one"
    (tmp_path / "pass").write_text("two ")
    assert with_file.password() == "two "
    (tmp_path / "broker-password").write_text("three")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    assert (without.password(), with_file.password()) == ("three", "two ")
    monkeypatch.setenv("SHOP_AGENT_BROKER_PASSWORD", "four")
    assert (without.password(), with_file.password()) == ("four", "four")
    assert with_file.password_source() == "$SHOP_AGENT_BROKER_PASSWORD"
    monkeypatch.setenv("SHOP_AGENT_BROKER_PASSWORD", "")  # left over from something else: it hides no file
    assert (without.password(), with_file.password()) == ("three", "two ")
    assert "broker-password" in without.password_source()
    assert with_file.password_source() == f"password_file {tmp_path / 'pass'}"
    monkeypatch.delenv("CREDENTIALS_DIRECTORY")
    assert (without.password(), without.password_source()) == (None, "none")


def test_readable_password_file_is_a_warning(tmp_path: Path) -> None:
    """A secret that every user of the machine can read is said, with the command that closes it."""
    config = read(tmp_path, START.replace("localhost", "localhost, password_file: pass") + "printers: []")
    secret = tmp_path / "pass"
    secret.write_text("x")
    secret.chmod(0o644)
    assert any("chmod 600" in text for text in warnings(config))
    secret.chmod(0o600)
    assert not any("chmod 600" in text for text in warnings(config))


@pytest.mark.parametrize(
    ("printer", "problem"),
    [
        ("{name: a, link: 'virtual://a', beep: yes}", "profile generic has no buzzer that we know"),
        ("{name: a, link: 'virtual://a', beep: yes, profile: star}", "profile star has no buzzer"),
        ("{name: a, link: 'virtual://a', drawer: yes, profile: epson}", "a kitchen printer never opens the drawer"),
        ("{name: a, link: 'virtual://a', drawer: yes, role: counter}", "has no drawer that we know"),
        ("{name: a, link: 'virtual://a', drawer: yes, role: counter, profile: epson}", ""),
        ("{name: a, link: 'virtual://a', beep: yes, profile: xprinter}", ""),
    ],
)
def test_buzzer_and_drawer_need_a_family_and_a_role(tmp_path: Path, printer: str, problem: str) -> None:
    """An unknown command leaks text onto the paper, and no kitchen opens the till."""
    text = START + f"printers: [{printer}]\n"
    if problem:
        with pytest.raises(ConfigError, match=problem):
            read(tmp_path, text)
    else:
        read(tmp_path, text)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_data_directory_of_somebody_else_is_a_warning(tmp_path: Path) -> None:
    """Said before the agent starts, and nothing is made by looking."""
    tmp_path.chmod(0o700)
    config = read(tmp_path, START + "data_dir: ./a/b")
    assert not any("data_dir" in text for text in warnings(config))
    tmp_path.chmod(0o500)
    assert any("data_dir" in text and "permission denied" in text for text in warnings(config))
    tmp_path.chmod(0o700)


def test_password_over_an_open_line_is_a_warning(tmp_path: Path) -> None:
    """A user name on mqtt:// to another machine is possible but said."""
    near = read(tmp_path, "shop: a\nbroker: {url: mqtt://localhost, username: u}")
    far = read(tmp_path, "shop: a\nbroker: {url: mqtt://b.example, username: u}")
    assert not any("clear text" in text for text in warnings(near))
    assert any("clear text" in text for text in warnings(far))


PRINTER = "printers: [{name: k, link: 'virtual://k', width: 48}]\n"


@pytest.mark.parametrize("width", [58, 80])
def test_millimetres_as_width_are_a_warning(tmp_path: Path, width: int) -> None:
    """It is a number of characters."""
    config = read(tmp_path, START + PRINTER.replace("48", str(width)))
    text = f"printers[0].width: {width} is in characters, not millimetres; write 48 for 80 mm paper, 32 for 58 mm"
    assert text in warnings(config)
    assert not any("millimetres" in text for text in warnings(read(tmp_path, START + PRINTER)))


def test_a_station_without_a_printer_is_a_warning(tmp_path: Path) -> None:
    """Its tickets would wait for ever; with no printers at all that alone is said."""
    stations = "stations: [{name: wok, printer: k}, {name: cold}]\n"
    (text,) = (line for line in warnings(read(tmp_path, START + PRINTER + stations)) if "stations" in line)
    assert text.startswith("stations[1]: cold has no printer")
    assert "write for example printer: k" in text
    assert not any("stations" in line for line in warnings(read(tmp_path, START + "stations: [{name: cold}]\n")))


def test_two_stations_with_one_word_and_a_foreign_topic_are_warnings(tmp_path: Path) -> None:
    """The first station gets the dishes; the broker may not let this box read elsewhere."""
    text = (
        "stations: [{name: a, match: {category: [热饮], sku: ['1']}}, {name: b, match: {category: [冷饮, 热饮]}}]\n"
        "mappings: [{topic: other/mt, name: meituan}, {topic: shops/s421/dn/mt, name: meituan}]\n"
    )
    found = warnings(read(tmp_path, START + text))
    assert [line.partition(":")[0] for line in found if "[" in line] == [
        "stations[1].match.category",
        "mappings[0].topic",
    ]


def test_what_a_chinese_keyboard_leaves_between_two_words_is_a_warning(tmp_path: Path) -> None:
    """It may be meant: the station starts with one long word."""
    (text,) = warnings(
        read(tmp_path, START + PRINTER + "stations: [{name: a, printer: k, match: {category: [热饮， 冷饮]}}]")
    )
    assert text == (
        "stations[0].match.category: '热饮， 冷饮' is one word with a full-width comma ，; write an ordinary ,"
    )


def test_a_station_that_no_dish_reaches_and_a_plain_line_to_the_encrypted_port_are_warnings(tmp_path: Path) -> None:
    """Where others say what they make and one takes the rest; where none says so the orders do."""
    stations = "stations: [{name: a, printer: k, default: true}, {name: b, printer: k}, {name: c, printer: k%s}]\n"
    found = warnings(read(tmp_path, START + PRINTER + stations % ", match: {sku: [x]}"))
    assert [line for line in found if "stations" in line] == [
        "stations[1]: no dish comes here by itself, only those that an order sends to b; write a match"
    ]
    assert not any("stations" in line for line in warnings(read(tmp_path, START + PRINTER + stations % "")))
    plain = START.replace("localhost", "localhost:8883")
    assert any("8883 is the port of encrypted" in line for line in warnings(read(tmp_path, plain)))


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("stations: [{name: a, template: expoo}]", "3:32: stations[0].template: there is no template 'expoo'; did you"),
        ("stations: [{name: a, template: xyz}]", "there is no template 'xyz'; there are: expo, kitchen, label, own, "),
        ("stations: [{name: a, template: alarm}]", "3:32: stations[0].template: 'alarm' is no station's; the agent"),
        ("stations: [{name: a, template: _head}]", "there is no template '_head'"),
        ("templates: ./none", "3:12: templates: there is no folder"),
        (
            "stations: [{name: a}, {name: b, shows: all, match: {sku: [x]}}]",
            "3:52: stations[1].match: it has no effect",
        ),
    ],
)
def test_a_close_look_finds_what_tickets_print_without(tmp_path: Path, text: str, fault: str) -> None:
    """`config check` refuses it; the agent starts, as it can print another ticket instead."""
    (tmp_path / "templates").mkdir()
    (tmp_path / "templates/own.j2").write_text("")
    read(tmp_path, START + text)
    with pytest.raises(ConfigError) as caught:
        load(tmp_path / "shop.yaml", closely=True)
    assert fault in str(caught.value)


def test_a_template_of_the_shops_own_is_there(tmp_path: Path) -> None:
    """In the folder beside the file, or the one that it names."""
    for folder in ("templates", "elsewhere"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / f"{folder}-own.j2").write_text("")
    path = tmp_path / "shop.yaml"
    path.write_text(START + "stations: [{name: a, template: templates-own}]")
    assert load(path, closely=True).stations[0].template == "templates-own"
    path.write_text(START + "templates: elsewhere\nstations: [{name: a, template: elsewhere-own}]")
    assert load(path, closely=True).templates == tmp_path / "elsewhere"


def test_a_mapping_that_is_not_there_is_named_with_its_line(tmp_path: Path) -> None:
    """And not by the file's own name alone."""
    (fault,) = faults(tmp_path, START + "mappings: [{topic: shops/s421/dn/x, file: none.yaml}]")
    assert fault.startswith(f"3:43: mappings[0].file: there is no file {tmp_path / 'none.yaml'}")
