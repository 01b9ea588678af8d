"""The broker matrix's part in the suite: mosquitto always; the other brokers shortly where they are installed, and with
`SHOP_AGENT_MATRIX=1` (scripts/test --matrix) all of it, and then a broker that is missing is a failure.
"""

import os
from pathlib import Path

import pytest

from agent.simulator.stage import find_mosquitto
from agent.simulator.verdict import Fault
from tests.matrix import scenes
from tests.matrix.__main__ import DOCUMENT, results
from tests.matrix.brokers import KINDS, Mosquitto
from tests.matrix.child import MOST_QUEUED, BrokerChild
from tests.matrix.facts import AWAY, Bench, queued_while_away, redelivered, session_expiry, survives, takeover
from tests.matrix.probe import Probe, Wishes
from tests.matrix.run import Column, Paper, play
from tests.matrix.table import BEGIN, END, insert, merge, render

ALL = bool(os.environ.get("SHOP_AGENT_MATRIX"))
OTHERS = [(kind, protocol) for kind in KINDS if kind is not Mosquitto for protocol in kind.protocols]


def shop_on(kind: type[BrokerChild], protocol: str, folder: Path, played: list[scenes.Scene]) -> Paper:
    """Play it; nothing may be lost, doubled without a mark, wrong, or unsaid."""
    with kind(folder) as broker:
        _, paper, faults = play(broker, protocol, played, print)
    assert faults == []
    return paper


@pytest.mark.timeout(300)
@pytest.mark.parametrize("protocol", Mosquitto.protocols)
def test_shop_on_mosquitto_loses_and_doubles_nothing(protocol: str, tmp_path: Path) -> None:
    """Killed agents and brokers, lost sessions, a short queue, a rival, large orders: the paper is as it should be."""
    played = [scene for _, scene in scenes.SCENES if ALL or scene not in scenes.LONG]
    paper = shop_on(Mosquitto, protocol, tmp_path, played)
    assert paper.tickets > 200
    assert paper.marked <= 1  # the one ticket that was in the printer when the agent was killed


@pytest.mark.timeout(400)
@pytest.mark.parametrize(("kind", "protocol"), OTHERS, ids=[kind.kind for kind, _ in OTHERS])
def test_shop_on_other_brokers_loses_and_doubles_nothing(
    kind: type[BrokerChild], protocol: str, tmp_path: Path
) -> None:
    """The same on every broker that can be had here."""
    reason = kind.missing()
    if reason and not ALL:
        pytest.skip(reason)
    assert not reason, reason
    played = [scene for _, scene in scenes.SCENES if ALL or scene in scenes.SHORT]
    assert shop_on(kind, protocol, tmp_path, played).tickets >= 50


def test_judge_sees_what_nobody_can_bring_back(tmp_path: Path) -> None:
    """A broker that lost its sessions and a cloud that kept nothing: lost on paper, and said. Else the matrix proves
    nothing.
    """
    with Mosquitto(tmp_path) as broker, scenes.Shop(broker, "5", tmp_path) as shop:
        shop.order(5)
        shop.settle()
        shop.agent.stop()
        shop.order(3)
        shop.cloud.forget(6, 7, 8)
        assert shop.cloud.flush(30)
        shop.restart("kill")
        shop.come()
        assert shop.cloud.wait_for(lambda it: any(key.startswith("missing:") for key in it.alarms), 30)
        verdict = shop.verdict()
        assert (verdict.count(Fault.LOST), len(verdict.findings)) == (3, 3)


# -- the instruments ---------------------------------------------------------------------------------------------


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """A bench that is not started."""
    return Bench(Mosquitto(tmp_path), "5")


def test_bare_clients_find_what_mosquitto_is_known_to_do(bench: Bench) -> None:
    """The instruments of the matrix against a broker whose answers are known."""
    with bench.broker:
        bench.broker.start()
        assert session_expiry(bench) == "asked 604800 s, granted that (says nothing)"
        assert queued_while_away(bench) == "all, in order; session present 1"
        assert redelivered(bench) == "all 15, in order, DUP, same mid, before the new ones"
        assert takeover(bench).endswith("session kept")


def test_sigkill_of_mosquitto_loses_what_it_kept_unless_it_saves_each_change(bench: Bench) -> None:
    """The instruments see a loss, and see none where there is none."""
    with bench.broker:
        bench.broker.start()
        assert survives(bench, "kill", "default") == "**none**; session present 0"
        assert survives(bench, "kill", "safest") == "all, in order; session present 1"


def test_short_queue_drops_in_silence(tmp_path: Path) -> None:
    """Why the agent asks for a replay although the session was present: the publisher is told Success."""
    with Mosquitto(tmp_path) as broker:
        broker.start("limited")
        bench = Bench(broker, "5")
        probe, told = bench.away("limited", AWAY)
        probe.connect()
        got = [each.number for each in probe.wait_quiet(1)]
        probe.close()
        assert probe.session_present
        assert got == list(range(1, MOST_QUEUED + 1))
        assert set(told.values()) == {"Success"}


def test_broker_child_counts_its_clients_and_ends_with_all_its_processes(tmp_path: Path) -> None:
    """No broker outlives its test, and the kernel's count of connections is right."""
    broker = Mosquitto(tmp_path)
    broker.start()
    probe = Probe(broker.port, "counted", "5", Wishes(clean=True))
    assert broker.clients() == 0
    assert probe.connect()
    assert broker.clients() == 1
    broker.kill()
    assert not broker.running()
    assert probe.wait(lambda: bool(probe.ended))
    probe.close()
    broker.start()
    assert broker.running()
    broker.stop()
    assert broker.clients() == 0


def test_broker_that_does_not_start_names_its_log(tmp_path: Path) -> None:
    """An error says where to look."""

    class Broken(Mosquitto):
        """It is given a file that is not there."""

        def _launch(self, _setup: object, /) -> None:
            program, environment = find_mosquitto()
            self._spawn([str(program), "-c", str(self.folder / "none.conf")], **environment)

    with pytest.raises(RuntimeError, match=r"mosquitto did not start; see .*broker\.log"):
        Broken(tmp_path).start()


# -- the document ------------------------------------------------------------------------------------------------


def a_column(protocol: str = "5", **changes: object) -> Column:
    """A column of a broker that does not exist."""
    return Column("imaginary", "Imaginary", "1.2.3", protocol, "2026-11-22", {"default": "`on`"}, **changes)  # type: ignore[arg-type]  # tests' own words


def test_tables_say_what_was_measured() -> None:
    """Version, date, refusal, a fact, a scene and the paper: each is in the text."""
    paper = Paper(orders=9, tickets=8, lost=2, doubled=3, other=4, marked=1)
    spoken = a_column("3.1.1", facts={"A fact": "so"}, scenes={"A scene": "played"}, paper=paper)
    text = render([a_column(refusal="hangs up"), spoken])
    assert "| Imaginary | 1.2.3 | no: hangs up | yes | default: `on` | 2026-11-22 |" in text
    assert "| A fact | so |" in text
    assert "| A scene | played |" in text
    assert "| **Lost** | 2 |\n| **Doubled without a mark** | 3 |\n| **Otherwise wrong** | 4 |" in text
    assert not spoken.fine
    assert a_column().fine


def test_a_run_renews_its_own_columns_only() -> None:
    """Who has only one broker at hand does not wipe out the rest."""
    old = [a_column("5"), a_column("3.1.1", facts={"A fact": "old"})]
    new = a_column("3.1.1", facts={"A fact": "new"})
    assert [each.facts for each in merge(old, [new])] == [{}, {"A fact": "new"}]
    assert merge([], [new]) == [new]


def test_only_the_generated_part_of_the_document_changes() -> None:
    """What people wrote around it stays; without the two marks nothing is overwritten."""
    document = f"before\n{BEGIN}\nold\n{END}\nafter\n"
    made = insert(document, [a_column()])
    assert made.startswith(f"before\n{BEGIN}\n### ")
    assert made.endswith(f"\n{END}\nafter\n")
    assert insert(made, [a_column()]) == made
    with pytest.raises(ValueError, match="there must be the lines"):
        insert("nothing here", [a_column()])


def test_document_shows_the_results_that_are_kept() -> None:
    """docs/brokers.md is what docs/evidence/brokers.json says: edit neither by hand."""
    document = DOCUMENT.read_text("utf-8")
    assert insert(document, results()) == document, "run scripts/matrix --write, or tests.matrix.__main__.write_down"
    kept = results()
    assert {column.kind for column in kept} >= {kind.kind for kind in KINDS}
    assert all(column.fine for column in kept)
