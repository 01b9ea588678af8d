"""A box on a hard day: an upgrade in the rush hour, a hang, crashes, a full disk. The scenes follow each other."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent import __version__
from tests.vm.box import Box, powered
from tests.vm.image import NotHere
from tests.vm.outside import PATIENCE_S, PLAIN, Outside, outside, plug_in, shell, until
from tests.vm.packages import BEFORE, package
from tests.vm.system import system


class Day:
    """The box, what is around it, and what happened when."""

    def __init__(self, box: Box, around: Outside) -> None:
        self.box, self.around = box, around
        self._began = time.monotonic()

    def say(self, what: str) -> None:
        """For the log of the day."""
        print(f"{time.monotonic() - self._began:7.1f} s  {what}")

    def main_pid(self) -> int:
        """The agent's process; 0 while there is none."""
        return int(shell(self.box, "systemctl show -P MainPID shop-agent"))

    def order_printed(self) -> int:
        """One more order, on paper."""
        number = self.around.order()
        self.around.wait_printed(number)
        return number

    def judge(self) -> None:
        """All orders so far, and nothing else."""
        self.around.wait_all_printed()
        verdict = self.around.verdict()
        assert verdict.fine, verdict.findings
        self.say(f"judged: {verdict.orders} orders on paper, {verdict.reprints} of them again and marked")


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Day]:
    """A box with the build of before, at work."""
    folder: Path = tmp_path_factory.mktemp("day")
    try:
        image, new = system("amd64", package(version=BEFORE)), package()
    except NotHere as reason:
        pytest.skip(str(reason))
    with outside(folder) as around, powered(image, around.hardware(words=PLAIN, packages=(new,))) as box:
        plug_in(box)
        around.configure(box)
        around.wait_online()
        around.wait_printed(around.order())
        yield Day(box, around)


def test_an_upgrade_in_the_rush_hour_loses_and_doubles_nothing(day: Day) -> None:
    """Orders go on coming while dpkg replaces the running version."""
    with day.around.orders_flow(3.0):
        day.order_printed()
        before = day.main_pid()
        day.say(f"dpkg -i {package().name}, with an order every 3 s")
        shell(day.box, f"dpkg -i /project/{package().name}", 2 * PATIENCE_S)
        until(day.box, "systemctl -q is-active shop-agent")
        day.say("the new version runs")
        day.order_printed()
    assert day.main_pid() != before
    assert __version__ in shell(day.box, "shop-agent version")
    day.judge()


def test_a_hang_ends_by_the_watchdog(day: Day) -> None:
    """An agent that stands still is replaced within its 30 s, and the orders of that time print."""
    before = day.main_pid()
    shell(day.box, "systemctl kill --signal=STOP --kill-who=main shop-agent")
    day.say("the agent stands still")
    day.around.order()
    until(day.box, f'[ "$(systemctl show -P MainPID shop-agent)" -gt 0 ] && [ ! -d /proc/{before} ]')
    day.say("systemd has replaced it")
    day.judge()
    assert "watchdog" in shell(day.box, "journalctl -u shop-agent -o cat").lower()


def test_crashes_without_end_are_never_given_up(day: Day) -> None:
    """Killed ten times in a row, most times before it was ready: it comes back each time."""
    before = int(shell(day.box, "systemctl show -P NRestarts shop-agent"))
    kill = "systemctl kill --signal=KILL --kill-who=main shop-agent"
    there = '[ "$(systemctl show -P MainPID shop-agent)" -gt 0 ]'
    shell(day.box, f"for n in $(seq 10); do until {there}; do sleep 0.2; done; sleep 0.$n; {kill}; sleep 0.5; done")
    day.around.order()
    day.judge()
    assert int(shell(day.box, "systemctl show -P NRestarts shop-agent")) >= before + 10


def test_while_the_disk_is_full_no_order_is_acknowledged(day: Day) -> None:
    """Killed in that state, nothing is lost: the broker still has what came meanwhile. It prints once there is room."""
    user = "setpriv --reuid shop-agent --regid shop-agent --clear-groups sh -c"
    fill = (
        "cd /var/lib/shop-agent; dd if=/dev/zero of=fill bs=1M status=none; dd if=/dev/zero of=more bs=1k status=none"
    )
    shell(day.box, f"{user} '{fill}; true' 2>/dev/null")
    since = shell(day.box, "date +%s")
    day.say("the disk is full")
    with day.around.orders_flow(1.0):  # the journal has room within its own files for some of them
        until(day.box, f"journalctl -u shop-agent --since=@{since} -o cat | grep -q disk_full")
    day.say("the journal takes nothing more")
    shell(day.box, "systemctl kill --signal=KILL --kill-who=main shop-agent")
    shell(day.box, "rm /var/lib/shop-agent/fill /var/lib/shop-agent/more")
    day.say("killed, and there is room again")
    day.judge()
