"""What the documents say is so: links lead somewhere, what is named is there, tables are complete, and the integrator's
example works as it stands.
"""

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from agent.overview.state import _is_grave
from agent.simulator.ports import serve_tcp
from agent.simulator.printer import VirtualPrinter
from agent.simulator.stage import AgentProcess, Mosquitto
from tests.house import until
from tests.kitchen import read
from tests.test_status import named

PROJECT = Path(__file__).parents[1]
DOCS = PROJECT / "docs"
PAGES = sorted([PROJECT / "README.md", PROJECT / "CONTRIBUTING.md", PROJECT / "CHANGELOG.md", *DOCS.rglob("*.md")])
FOLDERS = ("agent", "config", "docs", "packaging", "scripts", "systemd", "tests")
WAIT_S = 90


def prose(page: Path) -> str:
    """A page without its blocks of code."""
    return re.sub(r"```.*?```", "", page.read_text(), flags=re.S)


def anchors(page: Path) -> set[str]:
    """The names of its headings, as GitHub makes them."""
    heads = re.findall(r"^#+ (.*)$", prose(page), re.M)
    plain = [re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", head) for head in heads]
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in plain}


def links(page: Path) -> Iterator[tuple[str, str]]:
    """File and anchor of each relative link of a page."""
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        if not re.match(r"[a-z]+:", target):
            path, _, anchor = target.partition("#")
            yield path, anchor


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(PROJECT)))
def test_links_lead_somewhere(page: Path) -> None:
    """To a file that is there, and to a heading that it has."""
    for path, anchor in links(page):
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{page.name}: {path} is not there"
        if anchor:
            assert anchor in anchors(target), f"{page.name}: {path}#{anchor}: there are {sorted(anchors(target))}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(PROJECT)))
def test_files_that_are_named_are_there(page: Path) -> None:
    """Each path of this project between backticks, and in commands."""
    for said in re.findall(rf"(?<![\w./-])((?:{'|'.join(FOLDERS)})/[\w./*-]+)", page.read_text()):
        path = re.sub(r"[.,:]+$", "", said)
        assert list(PROJECT.glob(path)), f"{page.relative_to(PROJECT)}: {path} is not there"


def test_every_document_is_in_the_index() -> None:
    """Who opens docs/ finds all of it."""
    listed = {path for path, _ in links(DOCS / "README.md")}
    missing = {page.name for page in DOCS.glob("*.md")} - listed - {"README.md"}
    assert not missing
    decisions = {path for path, _ in links(DOCS / "decisions/README.md")}
    assert {page.name for page in (DOCS / "decisions").glob("0*.md")} == decisions


@pytest.mark.skipif(not (PROJECT / ".git").exists(), reason="this is no checkout")
def test_no_password_of_a_shop_that_is_tried_here_gets_into_git() -> None:
    """`setup` and `pair` write them beside the configuration; all that is the project's own is seen."""
    secrets = ["broker.pass", "broker-5e1f09ab.pass", "shop-agent.yaml", "templates/own.j2"]
    ignored = subprocess.run(["git", "check-ignore", *secrets], cwd=PROJECT, capture_output=True, text=True)
    assert ignored.stdout.split() == secrets
    ours = subprocess.run(["git", "ls-files", "-ci", "--exclude-standard"], cwd=PROJECT, capture_output=True, text=True)
    assert (ours.returncode, ours.stdout) == (0, "")


def test_the_help_of_the_tests_begins_with_their_own_options() -> None:
    """pytest's come after them."""
    done = subprocess.run(["scripts/test", "--help"], cwd=PROJECT, capture_output=True, text=True, check=True)
    own = done.stdout.partition("usage: ")[0]
    assert all(f"scripts/test {option} " in own for option in ("--vm", "--package", "--matrix", "--printer LINK"))


def test_each_threat_has_a_test_that_guards_it() -> None:
    """A line of the table without one, or with one that is gone, is a promise that nobody keeps."""
    table = (DOCS / "security.md").read_text().partition("## Threats")[2].partition("\n## ")[0]
    rows = [line for line in table.splitlines() if line.startswith("| ")][1:]
    assert len(rows) > 20
    for row in rows:
        guards = re.findall(r"`([\w/]*test_\w+\.py)::(test_\w+)`", row)
        assert guards, f"no test guards: {row[:60]}"
        for file, test in guards:
            assert f"def {test}(" in (PROJECT / "tests" / file).read_text(), f"{file} has no {test}"


def test_the_table_of_alarms_is_complete() -> None:
    """Each alarm that the code raises, and in bold those by which orders don't come in or are not printed."""
    table = (DOCS / "operations.md").read_text().partition("## Alarms")[2].partition("\n## ")[0]
    told: dict[str, bool] = {}
    for row in [line for line in table.splitlines() if line.startswith("| ")][1:]:
        cell = row.split("|")[1]
        first, *others = re.findall(r"`([^`]+)`", cell)
        for name in (first, *(first.rpartition(":")[0] + f":{other}" for other in others)):
            told[re.sub(r"[A-Z]{2,}|\bN\b", "x", name)] = "**" in cell
    raised = {re.sub(r"NAME|web|wok", "x", key): key for key in named()}
    assert set(told) == set(raised)
    assert {key for key, bold in told.items() if bold} == {key for key in raised if _is_grave(raised[key])}


def test_the_integrators_example_works_as_it_stands(tmp_path: Path) -> None:
    """A cloud in one file: what it loses the box asks for, and all of it is on paper in order."""
    (code,) = re.findall(r"```python\n(.*?)```", (DOCS / "integrators.md").read_text(), re.S)
    (tmp_path / "cloud.py").write_text(code)
    with ExitStack() as stack:
        broker = stack.enter_context(Mosquitto(tmp_path / "mosquitto"))
        device = stack.enter_context(VirtualPrinter())
        port = stack.enter_context(serve_tcp(device))
        (tmp_path / "agent.yaml").write_text(
            f"shop: s421\ndata_dir: {tmp_path}/data\nbroker: {{url: 'mqtt://127.0.0.1:{broker.port}'}}\n"
            f"printers: [{{name: kitchen, link: '{port.link}'}}]\n"
        )
        agent = AgentProcess(tmp_path / "agent.yaml", tmp_path / "agent.log")
        stack.callback(agent.kill)
        agent.start()
        until(lambda: "broker.subscribed" in agent.log.read_text(), "the line")
        command = [sys.executable, str(tmp_path / "cloud.py"), "127.0.0.1", str(broker.port), "s421"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=WAIT_S)
        assert (done.returncode, done.stderr) == (0, "")
        assert "the box misses what came from 2 on" in done.stdout
        numbers = [ticket.number for piece in device.paper.pieces if (ticket := read(piece)).number]
        assert numbers == ["41", "42", "43"]
