"""Rows 20 to 26: what a broker, a network and a cloud that repeats itself do to the line."""

import time
from copy import deepcopy
from datetime import UTC, datetime, timedelta

from tests.prove.row import Row
from tests.prove.stage import Needs, Stage

BACK_S = 60.0
RUSH = 8
HOURS, KEEPALIVE_S = 72, 8


def _begin(stage: Stage) -> None:
    stage.start()
    stage.order(3)
    stage.wait_printed(2)


def broker_gone(stage: Stage) -> None:
    """Stopped, or nobody reaches it, in a rush; orders come meanwhile."""
    _begin(stage)
    for _ in range(stage.chance.randint(1, 2)):
        births = len(stage.cloud.states)
        stage.order(RUSH)
        away_s = stage.chance.uniform(0.2, 6)
        if stage.chance.random() < 0.5:
            stage.say(f"the broker is stopped for {away_s:.1f} s")
            stage.broker.stop()
            time.sleep(away_s)
            stage.broker_back()
        else:
            stage.say(f"nobody reaches the broker for {away_s:.1f} s")
            stage.relay.close()
            stage.order(2)
            time.sleep(away_s)
            stage.relay.close(False)
        stage.order(2)
        back = stage.cloud.wait_for(lambda it, n=births: any(s["online"] for s in it.states[n:]), BACK_S)  # type: ignore[misc]  # bound at once
        stage.must(back, f"back at the broker within {BACK_S:.0f} s")


def session_lost(stage: Stage) -> None:
    """The broker forgets all that it kept for us: the cloud counts, and is asked."""
    _begin(stage)
    stage.settle()
    if away := stage.chance.random() < 0.6:
        stage.agent.stop()
    stage.order(RUSH)
    stage.cloud.flush(10)
    stage.broker.kill()
    stage.broker_back()
    if away:
        stage.start()
    stage.say(f"the broker lost its sessions while the agent was {'away' if away else 'there'}")
    stage.order(2)
    stage.settle()
    stage.must("session" not in stage.cloud.alarms, "the alarm of the session ends when all came")


def duplicates(stage: Stage) -> None:
    """Each event so many times more, in any order."""
    _begin(stage)
    again = [event for event in stage.order(RUSH) for _ in range(stage.chance.randint(1, 4))]
    stage.chance.shuffle(again)
    for event in again:
        stage.cloud.resend(event)
    stage.say(f"{len(again)} repetitions")
    stage.order(2)


def reordered(stage: Stage) -> None:
    """Events overtake one another, and some never come: the sequence tells."""
    _begin(stage)
    late = stage.order(RUSH, deliver=False)
    lost = [event for event in late if stage.chance.random() < 0.3]
    came = [event for event in late if event not in lost]
    stage.chance.shuffle(came)
    for event in came:
        stage.cloud.resend(event)
    stage.say(f"{len(came)} shuffled, {len(lost)} lost on the way")
    stage.order(2)


def other_body(stage: Stage) -> None:
    """The same event with another body; the same revision with other dishes."""
    _begin(stage)
    events = [event for event in stage.order(RUSH, changes=0) if event["type"] == "order.upsert"]
    stage.wait_printed(2)
    for event in stage.chance.sample(events, 3):
        forged = deepcopy(event)
        forged["data"]["order"]["items"][0]["qty"] = "99"
        if stage.chance.random() < 0.5:
            stage.cloud.resend(forged)
        else:
            stage.no_order(stage.cloud.publish("order.upsert", forged["data"]))
    told = stage.cloud.wait_for(lambda it: len(it.reported("event.rejected")) >= 3, 20)
    stage.must(told, "each of 3 conflicts is reported")
    stage.must(any(key.startswith("event") or "parked" in key for key in stage.cloud.alarms), "an alarm stays up")


def pubacks_lost(stage: Stage) -> None:
    """What the agent acknowledged is not heard, and comes again after the line broke."""
    _begin(stage)
    for _ in range(stage.chance.randint(1, 3)):
        stage.relay.lose_pubacks = stage.chance.randint(1, 6)
        stage.say(f"{stage.relay.lose_pubacks} PUBACKs are lost")
        stage.order(RUSH)
        stage.until(lambda: stage.relay.lose_pubacks == 0, 10)
        stage.relay.cut()
    stage.order(2)


def half_open(stage: Stage) -> None:
    """The connection is a black hole that nobody closes."""
    _begin(stage)
    births, longest_s = stage.relay.connections, 2 * KEEPALIVE_S + 5
    stage.relay.half_open()
    stage.order(RUSH)
    began = time.monotonic()
    left = stage.until(lambda: stage.relay.connections > births, longest_s)
    stage.say(f"another connection after {time.monotonic() - began:.0f} s, with a keepalive of {KEEPALIVE_S} s")
    stage.must(left, f"the agent leaves a dead line within {longest_s} s")


def lossy(stage: Stage) -> None:
    """Every packet takes its time, and now and then the line breaks."""
    _begin(stage)
    worst_s = stage.chance.uniform(0.3, 2)
    stage.relay.lossy(stage.chance, worst_s)
    stage.say(f"up to {worst_s:.1f} s a packet")
    for _ in range(4):
        stage.order(3)
        time.sleep(stage.chance.uniform(0.2, 1.5))
        if stage.chance.random() < 0.4:
            stage.relay.cut()


def three_days(stage: Stage) -> None:
    """Orders of three days at once: the old ones wait for a person, who has them printed."""
    _begin(stage)
    stage.settle()
    stage.agent.stop()
    now, count = datetime.now(UTC), 40
    for at in range(count):
        ago = timedelta(hours=HOURS) * (1 - at / count)
        stage.order(1, changes=0, time=(now - ago).isoformat(timespec="milliseconds"))
    stage.order(3, changes=0)
    stage.start()
    stage.must(stage.until(lambda: "waiting:old" in stage.cloud.alarms, 20), "an alarm names the old orders")
    stage.wait_printed(3)
    old = {each["order"]["id"] for each in stage.cloud.reported("order.state", state="held", reason="old")}
    stage.must(len(old) == count, f"the {count} orders of days ago wait for a person, not {len(old)}")
    stage.cloud.command("command.release", all=True, why="old")


ROWS = (
    Row(20, "broker gone", broker_gone),
    Row(21, "session lost", session_lost, Needs(counts=True)),
    Row(22, "duplicates", duplicates),
    Row(23, "reorder and gap", reordered, Needs(counts=True)),
    Row(24, "same id, other body", other_body),
    Row(25, "PUBACK lost", pubacks_lost),
    Row(26, "half-open TCP", half_open, Needs(line=f", keepalive_s: {KEEPALIVE_S}")),
    Row(26, "loss and delay", lossy),
    Row(26, "72 h offline", three_days),
)
