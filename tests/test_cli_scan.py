"""`shop-agent printers scan|add|identify` as an installer meets them, with a running agent and without one."""

import functools
import json
import threading
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from agent.answers import answers
from agent.answers import finder as finder_module
from agent.answers.finder import Finder, State
from agent.cli import cli
from agent.clock import SystemClock
from agent.config import Printer, load
from agent.connectors import connector
from agent.control import Visit
from agent.errors import CommandRefused, ConfigError
from agent.journal.store import Journal
from agent.model.link import parse_link
from agent.printers import discovery
from agent.printers.discovery import Roots
from agent.printers.lan import Own
from agent.simulator.ports import serve_pty, serve_tcp
from agent.simulator.printer import PrinterSpec, VirtualPrinter
from agent.simulator.stage import AgentProcess
from tests.house import until
from tests.kitchen import kitchen
from tests.plugged import Machine
from tests.test_control import Hand, door

WAIT_S = 20.0
FILE = """\
# 我们的店 our shop
shop: s1
data_dir: ./data    # beside this file
printers:
  - {name: kitchen, link: "usblp:port/1-1.2", width: 48}    # 80 mm, near the wok
"""


def machine(root: Path, stack: ExitStack) -> Machine:
    """With two USB printers; the ptys of virtual ones stand in for them."""
    here = Machine(root)
    for number, (port, model) in enumerate((("1-1.2", "TM-T20II"), ("1-1.3", "POS-58"))):
        device = stack.enter_context(VirtualPrinter(PrinterSpec()))
        line = stack.enter_context(serve_pty(device))
        here.usb(port, "0416:5011", maker="Demo", product=model)
        here.printer(port, f"lp{number}", str(Path(line.path).resolve()))
    return here


@pytest.fixture
def roots(tmp_path: Path, stack: ExitStack) -> Roots:
    """A machine with two USB printers, and a network with one at 127.0.5.3 and a silent one at 127.0.5.9."""
    here = machine(tmp_path / "machine", stack)
    one = stack.enter_context(serve_tcp(stack.enter_context(VirtualPrinter(PrinterSpec())), "127.0.5.3"))
    mute = stack.enter_context(VirtualPrinter(PrinterSpec(tier=3, realtime=False)))
    stack.enter_context(serve_tcp(mute, "127.0.5.9", one.port))
    return Roots(sys=here.sys, dev=here.dev, networks=(Own("127.0.5.0/28"),), port=one.port)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A shop with one printer."""
    path = tmp_path / "shop-agent.yaml"
    path.write_text(FILE)
    (tmp_path / "data").mkdir()
    return path


def run(config: Path, *words: str) -> Result:
    """The command line."""
    return CliRunner().invoke(cli, ["printers", *words, "--config", str(config)])


def agent(config: Path, journal: Journal, roots: Roots, stack: ExitStack) -> Finder:
    """The door of an agent that runs with this configuration, on this machine."""
    printers = load(config).printers
    finder = Finder(printers, lambda printer: connector(printer, config.parent), roots)
    hands = {printer.name: Hand() for printer in printers}
    stack.enter_context(door(config.parent / "data", answers(journal, printers, hands, SystemClock(), finder=finder)))
    return finder


@pytest.fixture(params=[True, False], ids=["agent", "alone"])
def runs(
    request: pytest.FixtureRequest,
    config: Path,
    journal: Journal,
    roots: Roots,
    stack: ExitStack,
    monkeypatch: pytest.MonkeyPatch,
) -> bool:
    """Does an agent answer, or does the command look by itself?"""
    if request.param:
        agent(config, journal, roots, stack)
    else:
        monkeypatch.setattr(discovery, "discover", functools.partial(discovery.discover, roots=roots))
    return bool(request.param)


@pytest.mark.usefixtures("runs")
def test_a_scan_shows_what_is_there_whether_or_not_an_agent_runs(config: Path) -> None:
    """What is in use, what it calls itself, what its paper may be, and what to do next."""
    done = run(config, "scan")
    assert done.exit_code == 0, done.output
    first, second, last = done.stdout.splitlines()
    assert first == "usblp:port/1-1.2  USB  Demo TM-T20II  已在用 in use: kitchen  profile: epson"
    assert second == "usblp:port/1-1.3  USB  Demo POS-58  width: 32"
    assert "printers add LINK --name NAME" in last
    told = json.loads(run(config, "scan", "--json").stdout)
    assert [found["in_use"] for found in told["found"]] == ["kitchen", ""]


def test_a_scan_of_the_network_says_how_far_it_is(config: Path, roots: Roots, runs: bool) -> None:
    """On standard error, so that what was found can be read by a program."""
    done = run(config, "scan", "--lan", "--json")
    assert done.exit_code == 0, done.output
    links = [found["link"] for found in json.loads(done.stdout)["found"]]
    assert links[2:] == [f"tcp://127.0.5.3:{roots.port}", f"tcp://127.0.5.9:{roots.port}"]
    if not runs:  # an agent's search may be over before it is asked again
        assert "… 14/14" in done.stderr
    plain = run(config, "scan", "--lan").stdout
    assert "没有应答" in plain.splitlines()[4]


def test_before_anything_is_set_up_a_scan_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No configuration, no agent, no printer: what to do is said."""
    nothing = Roots(sys=tmp_path, dev=tmp_path, networks=())
    monkeypatch.setattr(discovery, "discover", functools.partial(discovery.discover, roots=nothing))
    done = run(tmp_path / "none.yaml", "scan", "--lan")
    assert done.exit_code == 0
    assert "没有局域网" in done.stdout
    assert "没有找到打印机" in done.stdout
    assert "自检页" in done.stdout
    assert "add --lan" not in done.stdout
    assert "add --lan" in run(tmp_path / "none.yaml", "scan").stdout


def test_a_configuration_with_faults_is_mended_first(tmp_path: Path) -> None:
    """Else what is in use would be spoken to."""
    path = tmp_path / "shop-agent.yaml"
    path.write_text("shop: s1\nprintrs: []\n")
    done = run(path, "scan")
    assert isinstance(done.exception, ConfigError)
    assert "printrs" in str(done.exception)


# -- the handler, as the console uses it -------------------------------------------------------------------------------


def test_a_search_is_looked_at_while_it_goes_on(config: Path, roots: Roots) -> None:
    """Who asks to search again meanwhile joins it; what is plugged in is there at once."""
    finder = Finder(load(config).printers, None, roots)
    visit = Visit("lao-wang", threading.Event())
    scan = finder.table()["scan"]
    assert not scan({"do": "scan", "start": False}, visit)["found"]
    begun = scan({"do": "scan", "lan": True}, visit)
    assert (begun["running"], [found["kind"] for found in begun["found"]]) == (True, ["usblp", "usblp"])
    again = scan({"do": "scan", "lan": True}, visit)
    assert again["lan"]
    state = _until_over(finder)
    assert (state.done, state.total, len(state.found)) == (14, 14, 4)
    assert not scan({"do": "scan"}, visit)["running"]
    with pytest.raises(CommandRefused, match="lan"):
        scan({"do": "scan", "lan": "yes"}, visit)


def test_a_search_ends_with_the_agent(config: Path, roots: Roots) -> None:
    """And one that fails says so, and another may begin."""
    finder = Finder(load(config).printers, None, roots)
    stopping = threading.Event()
    stopping.set()
    finder.start(lan=True, stopping=stopping)
    assert _until_over(finder).done == 0
    broken = Finder(load(config).printers, None, Roots(sys=roots.sys, dev=roots.dev, networks=(Own("nonsense"),)))
    broken.start(lan=True)
    assert "搜索出错" in _until_over(broken).notes[-1]
    assert broken.start(lan=False).running is False


def _until_over(finder: Finder) -> State:
    for _ in range(1000):
        if not finder.state().running:
            return finder.state()
        threading.Event().wait(0.02)
    raise AssertionError("the search never ended")


# -- into the configuration --------------------------------------------------------------------------------------------


def test_add_writes_one_line_and_keeps_every_comment(config: Path) -> None:
    """As it would be typed; nothing else is touched; it says when it is used."""
    done = run(config, "add", "tcp://192.168.1.60", "--name", "bar", "--width", "32", "--profile", "xprinter")
    assert done.exit_code == 0, done.output
    text = config.read_text()
    assert text.startswith(FILE)
    printer = load(config).printer("bar")
    assert (str(printer.link), printer.width, printer.profile, printer.charset) == (
        "tcp://192.168.1.60:9100",
        32,
        "xprinter",
        "gbk",
    )
    assert "启动后生效" in done.stdout


def test_add_says_that_a_running_agent_must_be_started_anew(
    config: Path, journal: Journal, roots: Roots, stack: ExitStack
) -> None:
    """It makes a thread for each printer when it starts."""
    agent(config, journal, roots, stack)
    done = run(config, "add", "tcp://192.168.1.60", "--name", "bar", "--charset", "ascii")
    assert "重启后生效" in done.stdout
    assert json.loads(run(config, "add", "usblp:port/1-1.3", "--name", "cold", "--json").stdout)["restart"] is True
    assert [printer.name for printer in load(config).printers] == ["kitchen", "bar", "cold"]


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (["usb:port/1-1.2", "--name", "bar"], "in the configuration already: kitchen"),
        (["tcp://h", "--name", "kitchen"], "printer 'kitchen' already"),
        (["tcp://h", "--name", "a b"], "without spaces"),
        (["tpc://h", "--name", "bar"], "did you mean tcp?"),
    ],
)
def test_what_can_not_be_added_is_refused_and_nothing_is_written(config: Path, words: list[str], error: str) -> None:
    """With the reason."""
    done = run(config, "add", *words)
    assert isinstance(done.exception, ConfigError | CommandRefused)
    assert error in str(done.exception)
    assert config.read_text() == FILE


def test_a_width_in_millimetres_is_written_and_named(config: Path) -> None:
    """80 mm paper has 48 characters; a printer with 80 may be out there."""
    done = run(config, "add", "tcp://h", "--name", "bar", "--width", "80")
    assert done.exit_code == 0
    assert "宽度是字符数" in done.stderr
    assert "not millimetres" in done.stderr


def test_before_there_is_a_file_setup_is_named(tmp_path: Path) -> None:
    """A printer alone is no configuration."""
    done = run(tmp_path / "none.yaml", "add", "tcp://h", "--name", "bar")
    assert isinstance(done.exception, ConfigError)
    assert "shop-agent setup" in str(done.exception)
    assert not (tmp_path / "none.yaml").exists()


# -- which one is it ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("runs", [True, False])
def test_identify_prints_the_address_of_one_that_is_not_configured(
    config: Path, journal: Journal, roots: Roots, stack: ExitStack, runs: bool
) -> None:
    """And tells what the printer says of itself."""
    if runs:
        agent(config, journal, roots, stack)
    device = stack.enter_context(VirtualPrinter(PrinterSpec()))
    port = stack.enter_context(serve_tcp(device))
    done = run(config, "identify", port.link)
    assert done.exit_code == 0, done.output
    assert done.stdout.splitlines()[0] == "127.0.0.1  测试页已打印 the page is printed"
    assert "SHOP-AGENT VIRTUAL-80  1.00 VP  width: 48" in done.stdout
    (piece,) = device.paper.pieces
    assert any(run.text == "127.0.0.1" and run.width == 3 for line in piece.lines for run in line.runs)


def test_identify_by_name_goes_through_the_printer_s_own_worker(tmp_path: Path, stack: ExitStack) -> None:
    """Whether it is named, or written as any link that leads to it: the line is the agent's."""
    here = stack.enter_context(kitchen(tmp_path))
    printer = here._settings
    config = tmp_path / "shop-agent.yaml"
    config.write_text(f"shop: s1\ndata_dir: ./data\nprinters: [{{name: wok, link: '{printer.link}'}}]\n")
    (tmp_path / "data").mkdir()
    finder = Finder([printer], lambda printer: connector(printer, tmp_path))
    table = answers(here.journal, [printer], {"wok": here.worker}, SystemClock(), finder=finder)
    stack.enter_context(door(tmp_path / "data", table))
    for count, target in enumerate(("wok", str(printer.link), str(printer.link).replace("127.0.0.1", "localhost")), 1):
        done = run(config, "identify", target)
        assert done.exit_code == 0, done.output
        assert done.stdout.startswith("wok  测试页已打印 the page is printed")
        assert len(here.tickets()) == count
    assert {
        run.text for piece in here.device.paper.pieces for line in piece.lines for run in line.runs if run.width == 8
    } == {"wok"}
    done = run(config, "test", "wok", "--page", "paper")
    assert "两头都有数字" in done.stdout
    assert "PAPER TEST" in here.device.paper.text


def test_identify_without_an_agent_takes_the_configured_printer_s_name(config: Path, stack: ExitStack) -> None:
    """Its width and family too; a name that there is not is said with those that there are."""
    device = stack.enter_context(VirtualPrinter(PrinterSpec()))
    port = stack.enter_context(serve_tcp(device))
    config.write_text(FILE + f"  - {{name: bar, link: '{port.link}', profile: xprinter}}\n")
    for target in ("bar", port.link):
        assert run(config, "identify", target).stdout.startswith("bar  测试页已打印")
    assert device.paper.beeps == 2
    done = run(config, "identify", "baar")
    assert done.exit_code == 2
    assert "there is kitchen, bar" in done.stderr
    done = run(config.parent / "none.yaml", "identify", "bar")
    assert isinstance(done.exception, ConfigError)


def test_one_page_at_a_time_and_none_where_the_agent_prints(
    config: Path, roots: Roots, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second tap is told to wait; virtual printers live elsewhere."""
    finder = Finder(load(config).printers, lambda printer: connector(printer, config.parent), roots)
    began, may_end = threading.Event(), threading.Event()

    def slow(*_: Any) -> dict[str, Any]:
        began.set()
        assert may_end.wait(WAIT_S)
        return {}

    monkeypatch.setattr(finder_module, "print_name", slow)
    first = threading.Thread(target=finder.identify, args=("tcp://127.0.0.1:1",), kwargs={"by": "me"})
    first.start()
    assert began.wait(WAIT_S)
    with pytest.raises(CommandRefused, match="just now"):
        finder.identify("tcp://127.0.0.1:2", by="you")
    may_end.set()
    first.join(WAIT_S)
    for link, words in (
        ("usb:port/1-1.2", "printer kitchen"),
        ("virtual://x", "lives in the agent"),
        ("x", "not a link"),
    ):
        with pytest.raises(CommandRefused, match=words):
            finder.identify(link, by="me")
    with pytest.raises(CommandRefused, match="lives in the agent"):
        Finder([Printer(name="a", link=parse_link("tcp://h.invalid"))]).identify("tcp://127.0.0.1:1", by="me")


def test_a_running_agent_finds_names_and_keeps_its_own_printer(tmp_path: Path, stack: ExitStack) -> None:
    """A process of its own, as `run` makes it: its printer by name, another one by its link, and the paper page."""
    devices = [stack.enter_context(VirtualPrinter(PrinterSpec(width_dots=384))) for _ in range(2)]
    ours, other = (stack.enter_context(serve_tcp(device)) for device in devices)
    config = tmp_path / "shop-agent.yaml"
    printers = f"printers: [{{name: wok, link: '{ours.link}', width: 32}}]\n"
    broker = "broker: {url: 'mqtt://127.0.0.1:1'}\n"
    config.write_text(f"shop: s1\ndata_dir: {tmp_path}/data\n{broker}{printers}")
    process = AgentProcess(config, tmp_path / "log")
    process.start()
    stack.callback(process.kill)
    until(lambda: (tmp_path / "data" / "control").exists(), "the agent")
    assert run(config, "scan").exit_code == 0
    assert run(config, "identify", "wok").stdout.startswith("wok  测试页已打印")
    assert run(config, "identify", other.link).stdout.startswith("127.0.0.1  测试页已打印")
    assert "两头都有数字" in run(config, "test", "wok", "--page", "paper").stdout
    assert [["THIS IS" in piece.text for piece in device.paper.pieces] for device in devices] == [[True, False], [True]]
    assert not devices[0].paper.stray + devices[1].paper.stray
    done = run(config, "add", other.link, "--name", "bar")
    assert "重启后生效" in done.stdout
    assert process.stop() == 0
