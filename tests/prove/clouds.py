"""Rows 35 and 36: a cloud that takes no reports, and one that says what no cloud should."""

import time
import unicodedata
from copy import deepcopy
from typing import Any

import msgspec

from tests.prove.row import Row
from tests.prove.stage import Needs, Stage

WATCHED_S, MOST_A_SECOND = 6.0, 40
DEPTH = 2000
LARGE = 64 * 2**20
SPITEFUL = (
    "豆浆\x1b@\x1dV\x00",
    "油条\u202egnp.exe",
    "\x10\x14\x01\x00\x05包子",
    "粥\r\n\x0c\x07",
    "茶叶蛋\u2066\u200d\ufeff",
    "\x1bp\x00\x19\xfaMilk",
)


def reports_refused(stage: Stage) -> None:
    """The broker refuses every report for a while: they are kept, tried again at a bounded pace, told in the end."""
    stage.start()
    stage.order(3)
    stage.wait_printed(2)
    stage.relay.refuse_reports = endless = 10**6
    stage.order(6)
    time.sleep(WATCHED_S)
    tries = endless - stage.relay.refuse_reports
    stage.relay.refuse_reports = 0
    stage.say(f"{tries} tries in {WATCHED_S:.0f} s")
    stage.must(0 < tries < WATCHED_S * MOST_A_SECOND, f"fewer than {MOST_A_SECOND} tries a second")
    stage.order(2)


def hostile(stage: Stage) -> None:
    """What can't be an order is parked and reported; what is one and spiteful prints without its control bytes."""
    stage.start()
    stage.order(2)
    stage.wait_printed(1)
    payloads = _no_orders(stage)
    stage.chance.shuffle(payloads)
    for payload in payloads:
        stage.cloud.say(payload)
        if stage.chance.random() < 0.4:
            stage.order(1)
    for name in stage.chance.sample(SPITEFUL, 3):
        stage.order_spiteful(name, "".join(c for c in name if unicodedata.category(c) not in ("Cc", "Cf")))
    told = stage.cloud.wait_for(lambda it: len(it.reported("event.rejected")) >= len(payloads) - 1, 20)
    stage.say(f"{len(stage.cloud.reported('event.rejected'))} of {len(payloads)} were reported")
    stage.must(told, "each of them is reported, but what is larger than any packet")
    stage.order(2)
    drawers = [event for m in stage.members for event in m.device.paper.events if "drawer" in str(event).lower()]
    stage.must(not drawers, f"nobody opens a drawer: {drawers}")


def _no_orders(stage: Stage) -> list[bytes]:
    """Bytes that are no order, each in its own way."""
    event: dict[str, Any] = {
        "specversion": "1.0",
        "id": "hostile",
        "source": stage.cloud.source + "/hostile",
        "type": "order.upsert",
        "data": {"order": {"id": "h", "rev": 1, "channel": "test", "no": "666", "items": [{"name": "x", "qty": "1"}]}},
    }
    plain = msgspec.json.encode(event)
    bad = deepcopy(event)
    bad["data"]["order"]["items"] = "none"
    return [
        b"",
        b"\xff\xfe\x00not json",
        b"[" * DEPTH + b"]" * DEPTH,
        plain.replace(b'"1"}]', b'"1","deep":' + b"[" * DEPTH + b"]" * DEPTH + b"}]"),
        plain.replace(b'"qty":"1"', b'"qty":NaN'),
        plain.replace(b'"qty":"1"', b'"qty":"1","qty":"9"'),
        plain.replace(b'"name":"x"', b'"name":"\\ud800"'),
        plain.replace(b'"rev":1', b'"rev":-1'),
        plain.replace(b'"rev":1', b'"rev":1e400'),
        plain[:-20],
        msgspec.json.encode(bad),
        b"x" * LARGE,
    ]


ROWS = (
    Row(35, "reports refused", reports_refused, Needs(protocol="5")),
    Row(36, "hostile payloads", hostile),
)
