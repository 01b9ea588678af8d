"""Faults to plant into the agent, each a mistake that somebody could make. The simulation must find every one."""

import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import msgspec

ROOT = Path(__file__).parents[2]


class Mutant(msgspec.Struct, frozen=True):
    """In `file` the text `good` becomes `bad`. It must be found within `seeds` seeds."""

    file: str
    good: str
    bad: str
    seeds: int = 150


TABLE = {
    "a delivery is acknowledged before the commit": Mutant(
        "intake/consumer.py",
        "        at = self._times.monotonic()\n",
        "        at = self._times.monotonic()\n        self._acknowledge(delivery)\n",
    ),
    "a duplicate is not acknowledged": Mutant(
        "intake/consumer.py",
        "        if answer is None:\n",
        '        if taken.verdict == "duplicate_dropped":\n            return\n        if answer is None:\n',
    ),
    "what is missing is not asked for": Mutant("intake/consumer.py", "        if taken.gap:\n", "        if False:\n"),
    "an older revision is taken": Mutant(
        "intake/sequence.py", "    return Verdict.STALE\n", "    return Verdict.ACCEPT\n"
    ),
    "a cancel leaves no tombstone": Mutant(
        "intake/sequence.py", "if known is None or (rev", "if known is None or known[1] or (rev"
    ),
    "a cancel voids nothing": Mutant(
        "intake/acceptance.py", "new = [self._void(tx, order_pk, station, mark) for station in reached]", "new = []"
    ),
    "NORMAL instead of FULL": Mutant("journal/file.py", "PRAGMA synchronous=FULL", "PRAGMA synchronous=NORMAL"),
    "a full disk is taken for a commit": Mutant(
        "journal/store.py",
        "                if self._stopping.wait(RETRY_FULL_S):\n"
        "                    return _fail(batch, exc)\n"
        "                continue\n",
        "                return [_call(task.after, task.result) for task in batch if task.after] and None\n",
    ),
    "no intent is on record": Mutant(
        "journal/jobs.py", "values = (int((0,) in has), print_number", "values = (None, print_number"
    ),
    "a held ticket is forgotten": Mutant(
        "journal/jobs.py", "AND state = 'held' AND intent IS NULL\",", "AND state = 'held' AND intent = 'never'\","
    ),
    "what was under way at a crash is sent again, unmarked": Mutant(
        "spool/doubt.py",
        "Settlement(JobState.UNCONFIRMED, reason=reason, keep_intent=True))",
        "Settlement(JobState.PENDING, reason=reason))",
    ),
    "no answer means that it is sent again, unmarked": Mutant(
        "spool/settlements.py",
        "return Settlement(JobState.UNCONFIRMED, reason=evidence, keep_intent=True, headless=headless)",
        "return Settlement(JobState.PENDING, reason=evidence)",
    ),
    "no answer means that it is printed": Mutant(
        "spool/settlements.py",
        "return Settlement(JobState.UNCONFIRMED, reason=evidence, keep_intent=True, headless=headless)",
        'return Settlement(JobState.COMPLETED, "confirmed", evidence)',
    ),
    "a reprint bears no mark": Mutant("spool/settlements.py", ", mark=Mark.POSSIBLE_DUPLICATE", ""),
    "what the cable took is printed": Mutant(
        "printers/session.py",
        "outcome = self._settle_presumed() if self.capabilities.tier is Tier.NONE else self._settle_answered()",
        'outcome = Confirmed("cable")',
    ),
    "a status byte is taken before the buffer is drained": Mutant(
        "printers/fences.py", "        return self.owed == 0\n", "        return True\n"
    ),
    "a till's receipt counts for a ticket": Mutant(
        "spool/recovery.py",
        "Verdict.DONE if evidence.epoch is Epoch.SAME else",
        "Verdict.DONE if evidence else",
        seeds=2000,
    ),
    "a line that crackles is believed": Mutant(
        "printers/session.py", "if self._dialogue.fences.noise.crackles:", "if False:", seeds=2000
    ),
    "a ticket's head is not asked for": Mutant(
        "printers/sending.py", 'intent.head if self._hears_heads else ""', '""', seeds=2000
    ),
    "a dish's note is not on its ticket": Mutant(
        "templates/_dishes.j2", "{% for line in d.note %}", "{% for line in [] %}"
    ),
    "a part of a set meal is made twice, at two stations": Mutant(
        "tickets/routing.py",
        "                self.routed[home].append(self._share(child, home, family, False))\n",
        "                self.routed[home].append(self._share(child, home, family, False))\n"
        "                kept.append(Portion(child))\n",
        seeds=400,
    ),
    "an allergy is not on the ticket": Mutant(
        "templates/_warnings.j2", "{% if allergies %}", "{% if allergies and rush %}", seeds=400
    ),
    "a first copy counts for the second, which a revision took back": Mutant(
        "intake/acceptance.py",
        "(None if here in self.made else self.told.get((station.name, 1)))",
        "self.told.get((station.name, 1))",
        seeds=400,
    ),
    "a second copy that waits counts for the first": Mutant(
        "journal/overtaken.py", "(copy = ? OR kind = 'cancel'", "(copy >= ? OR kind = 'cancel'", seeds=400
    ),
    "a report is forgotten once it is sent": Mutant(
        "report/publisher.py",
        "            self._under_way[mid] = sent\n",
        "            self._under_way[mid] = sent\n            self._outbox.taken(sent.pk)\n",
        seeds=400,
    ),
}


def hunt(names: list[str], first: int, jobs: int) -> tuple[list[str], bool]:
    """Plant each, play seeds until it is found, and say so. Returns a table, and whether all were found."""
    lines = ["| planted | found by | what it said | s |", "|---|---|---|---|"]
    found = 0
    for name in names:
        began = time.monotonic()
        with tempfile.TemporaryDirectory(prefix="shop-mutant-") as folder:
            plant(TABLE[name], Path(folder))
            seed, words = _seek(Path(folder), TABLE[name].seeds, first, jobs)
        found += bool(words)
        by = f"seed {seed}" if words else f"**none of {TABLE[name].seeds} seeds**"
        lines.append(f"| {name} | {by} | {words[:80]} | {time.monotonic() - began:.0f} |")
        print(lines[-1], flush=True)
    lines += ["", f"{found} of {len(names)} found."]
    print(lines[-1])
    return lines, found == len(names)


def plant(mutant: Mutant, folder: Path) -> None:
    """A copy of the agent with the fault in it, and these tests.

    Raises:
        ValueError: the agent's text is another by now; write the mutant anew.
    """
    shutil.copytree(ROOT / "agent", folder / "agent", ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "tests").symlink_to(ROOT / "tests")
    place = folder / "agent" / mutant.file
    text = place.read_text(encoding="utf-8")
    if text.count(mutant.good) != 1:
        raise ValueError(
            f"agent/{mutant.file} has {text.count(mutant.good)} times: {mutant.good.strip()!r}; write the mutant anew"
        )
    place.write_text(text.replace(mutant.good, mutant.bad), encoding="utf-8")


def _seek(folder: Path, seeds: int, first: int, jobs: int) -> tuple[int, str]:
    """The seed that found it and its first finding; no words when none did."""
    options = [f"--seeds={seeds}", f"--from={first}", f"--jobs={jobs}", "--until-found"]
    command = [sys.executable, "-m", "tests.sim", *options]
    ran = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if ran.returncode not in (0, 1) or "simulation:" not in ran.stdout:
        raise RuntimeError(f"the simulation itself failed: {ran.stderr[-2000:]}")
    if ran.returncode == 0:
        return 0, ""
    head, finding = ran.stdout.splitlines()[:2]
    return int(head.split(":")[0].removeprefix("seed ")), finding.strip()
