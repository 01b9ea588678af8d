"""What `shop-agent fleet` itself needs for very many boxes, without a broker: memory, time to hear and to look."""

import os
import time
from datetime import UTC, datetime

import msgspec

from agent.clock import stamp
from agent.fleet.look import summary
from agent.fleet.view import BoxId, Fleet
from scripts.benchmarks.process import memory_mb
from scripts.benchmarks.table import markdown

COLUMNS = ("boxes", "memory, MB", "a status, µs", "a beat, µs", "to look at all, s")
OFFLINE_EACH = 100


class Found(msgspec.Struct):
    """All numbers; times are of the processor."""

    boxes: int
    memory_mb: float
    status_us: float
    beat_us: float
    look_s: float


def measure(boxes: int) -> Found:
    """So many boxes say that they are there, but for one in a hundred, and beat once."""
    now = datetime.now(UTC)
    printers = {name: {"state": "ready", "tier": "process_id"} for name in ("kitchen", "bar")}
    beat = {"at": stamp(now), "boot": "b", "version": "0.1.0", "printers": printers, "waiting": {"kitchen": 1}}
    pulse = msgspec.json.encode({**beat, "oldest_ticket": stamp(now), "clock_synchronised": True, "alarms": {}})
    says = [msgspec.json.encode({"online": each > 0, "boot": "b", "version": "0.1.0"}) for each in range(OFFLINE_EACH)]
    names = [BoxId(f"s{number:06}", "box1") for number in range(boxes)]
    before, fleet, began = memory_mb(os.getpid(), "VmRSS"), Fleet(0.0), time.process_time()
    for number, name in enumerate(names):
        fleet.heard_status(name, says[number % OFFLINE_EACH], True, 1.0)
    known = time.process_time()
    for name in names:
        fleet.heard_beat(name, pulse, False, 2.0, now)
    beaten = time.process_time()
    rows = fleet.rows(3.0)
    assert sum(summary(rows).boxes.values()) == boxes
    looked = time.process_time()
    memory = memory_mb(os.getpid(), "VmRSS") - before
    return Found(boxes, memory, 1e6 * (known - began) / boxes, 1e6 * (beaten - known) / boxes, looked - beaten)


def table(found: Found) -> str:
    """The results as Markdown."""
    times = (f"{found.status_us:.1f}", f"{found.beat_us:.1f}", f"{found.look_s:.2f}")
    return markdown(COLUMNS, [(f"{found.boxes:,}", f"{found.memory_mb:.0f}", *times)])
