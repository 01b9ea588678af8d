"""Rows 6 to 15: power cuts, a card that lies, and a disk that is full, broken, read-only, slow or flips bits."""

import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import msgspec

from agent.journal.file import MIGRATIONS
from tests.disk.disk import Fault
from tests.disk.sqlitevfs import reachable
from tests.prove.row import Row, Skip
from tests.prove.stage import Needs, Stage
from tests.prove.tamper import Trouble

TAMPERED = "tests.prove.tamper"
DIES_S = 15.0
ORDERS = 6
EXIT_JOURNAL = 74


def prepare(stage: Stage, **trouble: Any) -> dict[str, str]:
    """What the next life's disk shall do, as an environment."""
    if not reachable():
        raise Skip("SQLite is linked into this Python: nothing can be put under it")
    told = stage.folder / "disk.json"
    told.write_bytes(msgspec.json.encode(Trouble(folder=str(stage.data), **trouble)))
    return {"PROVE_DISK": str(told)}


def _some_orders(stage: Stage) -> None:
    stage.start()
    stage.order(3)
    stage.wait_printed(2)


def power_cut(worst: int, **trouble: Any) -> Callable[[Stage], None]:
    """The power goes at an operation of the disk that chance chooses, in one life or several; sectors are torn."""

    def play(stage: Stage) -> None:
        chance = stage.chance
        if chance.random() < 0.3:  # also the very first start, which makes the file
            _cut(stage, chance.randint(1, 15), orders=0, **trouble)
        _some_orders(stage)
        stage.agent.kill()
        for _ in range(chance.randint(1, 3)):
            _cut(stage, chance.randint(1, worst), orders=ORDERS, **trouble)
        stage.start()
        stage.order(2)

    return play


def _cut(stage: Stage, at: int, orders: int, **trouble: Any) -> None:
    """One life that ends so."""
    seed = stage.chance.getrandbits(32)
    stage.order(orders)
    stage.start(prepare(stage, act="cut", at=at, seed=seed, **trouble), wait=False)
    code = stage.agent.wait(DIES_S if orders else 3)
    stage.say(f"cut at operation {at}" if code == -signal.SIGKILL else f"operation {at} never came")
    stage.agent.kill()
    if stage.chance.random() < 0.3:
        stage.say("the printers lose their power too")
        for member in stage.members:
            member.device.power_cycle()


def migration_cut(stage: Stage) -> None:
    """A newer version changes the schema, and the power goes in the middle of it."""
    _some_orders(stage)
    stage.agent.stop()
    newer = stage.folder / "migrations"
    shutil.copytree(MIGRATIONS, newer)
    (newer / "9999_more.sql").write_text("CREATE TABLE more (x);\nINSERT INTO more SELECT value FROM meta;\n")
    at = stage.chance.randint(1, 24)
    env = prepare(stage, act="cut", at=at, seed=stage.chance.getrandbits(32))
    stage.order(3)
    stage.start({"PROVE_MIGRATIONS": str(newer), **env}, wait=False)
    code = stage.agent.wait(4)
    stage.say(f"cut at operation {at}" if code == -signal.SIGKILL else f"operation {at} never came")
    stage.agent.kill()
    stage.start({"PROVE_MIGRATIONS": str(newer)})
    stage.order(2)


def lying_card(stage: Stage) -> None:
    """It says that all is flushed, and keeps what it likes: what was acknowledged and told is gone after the cut."""
    _some_orders(stage)
    stage.settle()
    stage.agent.stop()
    at = stage.chance.randint(120, 200)
    stage.start(prepare(stage, act="cut", at=at, seed=stage.chance.getrandbits(32), lies=True))
    lives = True
    while lives:
        stage.order(3)
        stage.until(lambda: stage.settled() or not stage.agent.running(), 10)
        lives = stage.agent.running()
    stage.say(f"cut at operation {at}, {len(stage.cloud.events)} events were told")
    stage.start()
    stage.until(lambda: bool({"card", "journal"} & set(stage.cloud.alarms)), 15)
    stage.say(f"alarms: {', '.join(stage.cloud.alarms)}")
    stage.must(bool({"card", "journal"} & set(stage.cloud.alarms)), "an alarm says that the card, or the file, is bad")


def config_save_cut(stage: Stage) -> None:
    """Killed again and again while the configuration is written: it is the old one or the new one."""
    whole = stage.config.read_text("utf-8")
    script = (
        "import sys; from pathlib import Path; from agent import atomicfile\n"
        "path = Path(sys.argv[1]); text = path.read_text('utf-8'); print('go', flush=True)\n"
        "while True:\n"
        "    for n in range(60): atomicfile.replace(path, (text + '# ' + 'x' * n * 50 + '\\n').encode())\n"
    )
    for _ in range(8):
        with subprocess.Popen([sys.executable, "-c", script, str(stage.config)], stdout=subprocess.PIPE) as writer:
            assert writer.stdout is not None
            writer.stdout.readline()
            time.sleep(stage.chance.uniform(0, 0.15))
            writer.kill()
        text = stage.config.read_text("utf-8")
        stage.must(text.startswith(whole) and text.endswith("\n"), "the file is an old one or a new one, whole")
        stage.config.write_text(whole)
    stage.start()
    stage.order(ORDERS)


def disk_full(stage: Stage) -> None:
    """No room for a while: nothing is acknowledged meanwhile, and it goes on by itself."""
    _some_orders(stage)
    stage.agent.kill()
    at, count = stage.chance.randint(1, 60), stage.chance.randint(1, 6)
    keeper = stage.keep(prepare(stage, act="fail", fault=Fault.FULL, what=("write",), at=at, count=count))
    starts = len(keeper.ends)
    for _ in range(4):
        stage.order(3)
        stage.wait_printed(2, 8)
    stage.say(f"no room for {count} writes from {at} on; the agent ended with {keeper.ends}")
    stage.must(len(keeper.ends) == starts, "a full disk ends no agent that has started")


def disk_fails(fault: Fault, what: tuple[str, ...], count: int) -> Callable[[Stage], None]:
    """The disk fails at an operation that chance chooses: the agent ends, starts afresh, and reconciles."""

    def play(stage: Stage) -> None:
        at = stage.chance.randint(5, 60)
        keeper = stage.keep(prepare(stage, act="fail", fault=fault, what=what, at=at, count=count))
        for _ in range(4):
            stage.order(3)
            stage.wait_printed(2, 8)
        stage.say(f"{fault.value} from {' or '.join(what)} {at} on; the agent ended with {keeper.ends}")
        others = [code for code in keeper.ends if code != EXIT_JOURNAL]
        stage.must(not others, f"a failing disk ends the agent with {EXIT_JOURNAL}, not {others}")

    return play


def bits_flip(stage: Stage) -> None:
    """Bits turn in the journal while the agent is away: a file that is not sound is set aside, and never believed."""
    chance = stage.chance
    _some_orders(stage)
    stage.settle()
    stage.order(3)
    stage.agent.kill() if chance.random() < 0.5 else stage.agent.stop()
    for path in sorted(stage.data.glob("journal.db*")):
        if path.suffix != ".db-shm" and path.stat().st_size:
            content = bytearray(path.read_bytes())
            count = chance.randint(1, 40)
            for _ in range(count):
                content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
            path.write_bytes(content)
            stage.say(f"{count} bits of {path.name} turned")
    stage.start()
    stage.order(ORDERS)
    stage.say("set aside" if list(stage.data.glob("broken-*")) else "not set aside")


def slow_flush(stage: Stage) -> None:
    """Each FLUSH takes 2 s for a while: all takes its time, and nothing goes wrong."""
    env = prepare(
        stage, act="slow", what=("sync",), seconds=2.0, at=stage.chance.randint(1, 12), count=stage.chance.randint(2, 5)
    )
    stage.start(env)
    for _ in range(4):
        stage.order(3)
        stage.wait_printed(2, 8)


_CUT = Needs(module=TAMPERED)

ROWS = (
    Row(6, "power cut at a FLUSH", power_cut(30, what=("sync",)), _CUT),
    Row(7, "torn sectors", power_cut(120, what=("write",)), _CUT),
    Row(8, "card that lies about FLUSH", lying_card, Needs(module=TAMPERED, counts=True)),
    Row(9, "power cut in a checkpoint", power_cut(8, name="journal.db", what=("write", "sync")), _CUT),
    Row(9, "power cut in a migration", migration_cut, _CUT),
    Row(10, "cut while saving the configuration", config_save_cut),
    Row(11, "disk full", disk_full, _CUT),
    Row(12, "EIO on fsync", disk_fails(Fault.BROKEN, ("sync",), 1), _CUT),
    Row(13, "read-only remount", disk_fails(Fault.READ_ONLY, ("write", "sync", "create", "truncate"), 10**6), _CUT),
    Row(14, "bit flips", bits_flip, Needs(counts=True)),
    Row(15, "2 s fsync", slow_flush, _CUT),
)
