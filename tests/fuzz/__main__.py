"""The command behind `scripts/fuzz`: several processes, all targets in turn, a table, and a file for each finding."""

import argparse
import hashlib
import math
import multiprocessing
import os
import sys
import time
from multiprocessing import connection
from multiprocessing.connection import Connection
from pathlib import Path

from tests.fuzz.targets import targets
from tests.fuzz.watch import Finding, Slice, Watch, settle_down

SLICE_S = 1.0
SAY_EACH_S = 60.0
SILENCE_S = 300.0
SLOW_S = 0.1


def work(seed: int, only: str, out: Connection) -> None:
    """One process: each target in turn for a stretch as long as its weight. It ends with its parent."""
    settle_down()
    watches = [Watch(each, seed * 1000 + number) for number, each in enumerate(targets(only))]
    parent = os.getppid()
    while os.getppid() == parent:
        for watch in watches:
            try:
                out.send(watch.run(time.monotonic() + SLICE_S * watch.target.weight, sys.maxsize))
            except BrokenPipeError:
                return


class Worker:
    """One process, and the pipe on which it tells."""

    def __init__(self, seed: int, only: str) -> None:
        self.pipe, theirs = multiprocessing.Pipe(duplex=False)
        self.process = multiprocessing.Process(target=work, args=(seed, only, theirs), daemon=True)
        self.process.start()
        theirs.close()


def keep(finding: Finding, folder: Path) -> None:
    """Say it, and write input and trace into files."""
    folder.mkdir(parents=True, exist_ok=True)
    name = f"{finding.target}-{hashlib.sha256(finding.data).hexdigest()[:12]}"
    (folder / f"{name}.bin").write_bytes(finding.data)
    (folder / f"{name}.txt").write_text(finding.trace, "utf-8", "surrogatepass")
    print(f"FOUND {finding.target}: {finding.place}; {folder / name}.bin", flush=True)


def table(totals: dict[str, Slice]) -> str:
    """A row a target."""
    rows = [
        "| target | inputs | s | a second | outcomes | slowest, CPU ms |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for each in [*totals.values(), _sum("all", list(totals.values()))]:
        pace = each.inputs / each.took_s if each.took_s else 0
        rows.append(
            f"| {each.target} | {each.inputs:,} | {each.took_s:,.0f} | {pace:,.0f} | {each.outcomes:,} "
            f"| {each.slowest_s * 1000:,.1f} |"
        )
    return "\n".join(rows)


def _sum(name: str, slices: list[Slice]) -> Slice:
    total = Slice(name)
    for each in slices:
        total.inputs += each.inputs
        total.took_s += each.took_s
        total.outcomes += each.outcomes
        total.slowest_s = max(total.slowest_s, each.slowest_s)
    return total


def main() -> int:
    """1 when anything was found."""
    asked = argparse.ArgumentParser(prog="scripts/fuzz", description=__doc__)
    asked.add_argument("--minutes", type=float, default=math.inf)
    asked.add_argument("--inputs", type=int, default=0, help="stop after so many, over all")
    asked.add_argument("--jobs", type=int, default=1)
    asked.add_argument("--only", default="", help="targets whose name begins so")
    asked.add_argument("--seed", type=int, default=1)
    asked.add_argument("--keep", type=Path, default=Path("fuzz-findings"), help="where findings are written")
    told = asked.parse_args()
    minutes = told.minutes if told.inputs or told.minutes < math.inf else 1.0
    ends_at = time.monotonic() + 60 * minutes
    crew = [Worker(told.seed + number, told.only) for number in range(told.jobs)]
    try:
        return watch(crew, ends_at, told.inputs or sys.maxsize, told.keep)
    finally:
        for worker in crew:
            worker.process.kill()


def watch(crew: list[Worker], ends_at: float, most: int, folder: Path) -> int:
    """Add up what the workers say until the time is over or enough was done."""
    totals: dict[str, Slice] = {}
    places: set[str] = set()
    began = said_at = heard_at = time.monotonic()
    while (now := time.monotonic()) < ends_at and sum(each.inputs for each in totals.values()) < most:
        ready = connection.wait([worker.pipe for worker in crew], 1.0)
        heard_at = now if ready else heard_at
        if now - heard_at > SILENCE_S or not all(worker.process.is_alive() for worker in crew):
            print("FOUND a worker died, or hangs in C code: run it again with --only", flush=True)
            places.add("worker")
            break
        for worker in crew:
            if worker.pipe not in ready:
                continue
            done: Slice = worker.pipe.recv()
            for finding in done.findings:
                if finding.place not in places:
                    places.add(finding.place)
                    keep(finding, folder)
            if done.slowest_s > totals.get(done.target, Slice("")).slowest_s and done.slowest_s > SLOW_S:
                folder.mkdir(parents=True, exist_ok=True)
                (folder / f"slowest {done.target}.bin").write_bytes(done.slowest)
            totals[done.target] = _sum(done.target, [totals.get(done.target, Slice(done.target)), done])
        if now - said_at > SAY_EACH_S:
            said_at = now
            print(f"{now - began:,.0f} s, {len(places)} findings\n{table(totals)}", flush=True)
    print(
        f"{time.monotonic() - began:,.0f} s, {len(crew)} processes, {len(places)} findings\n{table(totals)}", flush=True
    )
    return 1 if places else 0


if __name__ == "__main__":
    sys.exit(main())
