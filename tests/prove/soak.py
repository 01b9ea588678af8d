"""The soak: a shop that is busy for as long as one likes, and a process that must not grow meanwhile.

Orders come steadily, somebody looks at the console, a printer goes away and comes back, the broker is restarted now and
then. What the process takes is looked at every half minute; with little kept, all of it must become flat.
"""

import random
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from agent.console.access import Access
from agent.simulator.stage import free_port
from scripts.benchmarks.process import cpu_s, memory_mb
from tests.prove.stage import Needs, Stage
from tests.till import ask
from tests.window import PIN, Client

PER_S = 1.2
KEPT = 1000  # the least that there is; a hundred a minute are forgotten
SAMPLE_S, LOOK_S, PRINTER_S, BROKER_S = 30.0, 2.0, 150.0, 400.0
AWAY_S = 20.0
PAGES = ("/", "/now/board", "/kitchen/board", "/day", "/late", "/tickets", "/printers", "/log", "/healthz", "/metrics")
ROOM = {"RSS MB": 4.0, "descriptors": 4.0, "threads": 2.0, "journal MB": 0.5}
"""By how much the median of the last third may be above that of the third before it."""


class Sample(msgspec.Struct, frozen=True):
    """What the process took at a moment, `at_s` after the start."""

    at_s: float
    orders: int
    rss_mb: float
    descriptors: int
    threads: int
    journal_mb: float
    cpu_s: float

    def value(self, what: str) -> float:
        """By its heading."""
        return {
            "RSS MB": self.rss_mb,
            "descriptors": self.descriptors,
            "threads": self.threads,
            "journal MB": self.journal_mb,
        }[what]


class Soak(msgspec.Struct, frozen=True):
    """What it came to; `findings` is empty where all was well and flat."""

    seed: int
    minutes: float
    samples: list[Sample]
    findings: list[str]
    words: str

    def table(self, rows: int = 12) -> str:
        """Some of the samples, as Markdown."""
        step = max(1, len(self.samples) // rows)
        shown = [*self.samples[::-step][::-1]]
        lines = ["| minute | orders | RSS MB | descriptors | threads | journal MB | CPU s |", "|---:" * 7 + "|"]
        lines += [
            f"| {s.at_s / 60:.0f} | {s.orders} | {s.rss_mb:.1f} | {s.descriptors} | {s.threads} | {s.journal_mb:.2f} "
            f"| {s.cpu_s:.1f} |"
            for s in shown
        ]
        return "\n".join(lines)


def soak(minutes: float, seed: int, say: Callable[[str], None]) -> Soak:
    """Play it for so many minutes, and judge the paper of the whole time as every row's."""
    chance, port = random.Random(f"{seed}-soak"), free_port()
    settings = f"limits: {{keep_orders: {KEPT}}}\nconsole: {{listen: '127.0.0.1:{port}'}}\n"
    folder = Path(tempfile.mkdtemp(prefix="soak-"))
    samples: list[Sample] = []
    with Stage(folder, chance, Needs(cable="tcp", counts=True, settings=settings)) as stage:
        stage.start()
        stop = threading.Event()
        troubles = [
            _each(stop, 1 / PER_S, lambda: stage.order(1)),
            _each(stop, LOOK_S, _visitor(stage, port, random.Random(f"{seed}-pages"))),
            _each(stop, PRINTER_S, _printer_away(stage, stop, random.Random(f"{seed}-printers"))),
            _each(stop, BROKER_S, lambda: _broker_restarted(stage)),
        ]
        began = time.monotonic()
        while (at_s := time.monotonic() - began) < minutes * 60:
            samples.append(_sample(stage, at_s))
            say(str(samples[-1]))
            stop.wait(min(SAMPLE_S, minutes * 60 - at_s))
        stop.set()
        for trouble in troubles:
            trouble.join()
        verdict = stage.finish()
        findings = [str(each) for each in stage.all_findings(verdict)] + _grown(samples)
    words = f"{verdict.orders} orders, {verdict.whole} whole tickets, {verdict.reprints} of them marked"
    return Soak(seed, minutes, samples, findings, words)


def _each(stop: threading.Event, every_s: float, do: Callable[[], object]) -> threading.Thread:
    """Do it again and again, on a thread of its own, until `stop`."""

    def turn() -> None:
        while not stop.wait(every_s):
            do()

    thread = threading.Thread(target=turn, daemon=True)
    thread.start()
    return thread


def _visitor(stage: Stage, port: int, chance: random.Random) -> Callable[[], None]:
    """Somebody with the PIN, who looks at one page after the other; every answer must be one."""
    access = Access(stage.data)
    if not access.choose_pin(access.issue_code(), PIN):
        raise RuntimeError("no PIN could be chosen")
    client = Client(lambda: port, session=access.sign_in())

    def look() -> None:
        page = chance.choice(PAGES)
        try:
            answer = client.get(page) if page not in ("/healthz", "/metrics") else ask(port, "GET", page)
            stage.must(answer.status == 200, f"{page} answers 200, not {answer.status}")
        except OSError as exc:
            stage.must(False, f"{page} answers: {exc}")

    return look


def _printer_away(stage: Stage, stop: threading.Event, chance: random.Random) -> Callable[[], None]:
    def away() -> None:
        device = chance.choice(stage.members).device
        device.power_off()
        stop.wait(AWAY_S)
        device.power_on()

    return away


def _broker_restarted(stage: Stage) -> None:
    stage.broker.stop()
    stage.broker_back()


def _sample(stage: Stage, at_s: float) -> Sample:
    pid = stage.agent.pid
    return Sample(
        at_s,
        len(stage.cloud.events),
        memory_mb(pid, "VmRSS"),
        len(list(Path(f"/proc/{pid}/fd").iterdir())),
        len(list(Path(f"/proc/{pid}/task").iterdir())),
        sum(path.stat().st_size for path in stage.data.glob("journal.db*")) / 2**20,
        cpu_s(pid),
    )


def _grown(samples: Sequence[Sample]) -> list[str]:
    """What is larger in the last third than in the one before it, by more than it may be."""
    third = len(samples) // 3
    if not third:
        return []
    found = []
    for what, room in ROOM.items():
        before = statistics.median(s.value(what) for s in samples[third : 2 * third])
        after = statistics.median(s.value(what) for s in samples[-third:])
        if after > before + room:
            found.append(f"{what} grew from {before:.1f} to {after:.1f}")
    return found
