"""What a broker really guarantees, found by bare clients: one function a fact, in the words of the table.

Each works on a broker that runs, on topics and client ids of its own, and leaves it running.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from tests.matrix.child import BrokerChild, Setup
from tests.matrix.probe import ASKED_EXPIRY_S, Got, Probe, Wishes

AWAY = 100
MANY = 3000
UNACKED = 1500
WITHHELD_S = 36.0
WRITES_S = 4.0
"""Whatever a broker does to write things down a moment later, it has done by then."""

AGENT_RECEIVE_MAXIMUM = 200
AGENT_PACKET_MAXIMUM = 300 * 1024
KIB = 1024


class Bench:
    """A broker and the version of MQTT that is spoken to it; `publisher` is connected."""

    def __init__(self, broker: BrokerChild, protocol: str) -> None:
        self.broker, self.protocol = broker, protocol
        self._publisher: Probe | None = None

    @property
    def publisher(self) -> Probe:
        """A client that publishes; a new connection when the old one is gone."""
        if self._publisher is None or self._publisher.ended:
            self._publisher = Probe(self.broker.port, f"matrix-publisher-{self.protocol[0]}", self.protocol)
            if not self._publisher.connect(Wishes(clean=True)):
                raise RuntimeError(f"{self.broker.kind} refuses a publisher: {self._publisher.why}")
        return self._publisher

    def probe(self, name: str, wishes: Wishes | None = None) -> Probe:
        """A client that is not connected yet."""
        return Probe(self.broker.port, f"matrix-{name}-{self.protocol[0]}", self.protocol, wishes)

    @contextmanager
    def subscriber(self, name: str, wishes: Wishes | None = None) -> Iterator[tuple[Probe, str]]:
        """One with a lasting session on a topic of its own."""
        probe = self.probe(name, wishes)
        topic = f"matrix/{self.protocol[0]}/{name}"
        if not probe.connect() or not probe.subscribe(topic):
            raise RuntimeError(f"{self.broker.kind} refuses a subscriber: {probe.why}")
        yield probe, topic
        probe.close()

    def away(self, name: str, count: int) -> tuple[Probe, dict[int, str]]:
        """A session whose client is gone, and what the broker told the publisher of each message for it."""
        with self.subscriber(name) as (probe, topic):
            pass
        return probe, self.publisher.publish_numbers(topic, count)

    def restart(self, how: str, setup: Setup) -> None:
        """`stop` or `kill`, and start."""
        if self._publisher is not None:
            self._publisher.close()
            self._publisher = None
        getattr(self.broker, how)()
        self.broker.start(setup)


# -- when it takes us --------------------------------------------------------------------------------------------


def session_expiry(bench: Bench) -> str:
    """How long it says that it keeps a session for which seven days were asked."""
    if bench.protocol != "5":
        return "not said"
    probe = bench.probe("expiry")
    probe.connect()
    granted = probe.granted.get("SessionExpiryInterval")
    probe.close()
    return f"asked {ASKED_EXPIRY_S} s, granted " + ("that (says nothing)" if granted is None else f"{granted} s")


def limits(bench: Bench) -> str:
    """What it says of its limits."""
    if bench.protocol != "5":
        return "not said"
    probe = bench.probe("limits")
    probe.connect()
    said = {
        name: value for name, value in probe.granted.items() if name[0].isupper() and name != "SessionExpiryInterval"
    }
    probe.close()
    return ", ".join(f"{name} {value}" for name, value in sorted(said.items())) or "says nothing"


# -- while we are away -------------------------------------------------------------------------------------------


def queued_while_away(bench: Bench) -> str:
    """A hundred messages for one that is away."""
    probe, told = bench.away("away", AWAY)
    came = _fetch(probe, AWAY)
    return f"{came}; {_present(probe)}{_untold(told, AWAY)}"


def queue_limit(bench: Bench) -> str:
    """Three thousand for one that is away: which are dropped, and what the publisher is told."""
    probe, told = bench.away("many", MANY)
    words = _fetch(probe, MANY)
    came = {each.number for each in probe.got}
    if len(came) in (0, MANY):
        return f"{words}; {_present(probe)}"
    dropped = "the newest" if 1 in came else "the oldest"
    said = sorted({told.get(number, "nothing") for number in range(1, MANY + 1) if number not in came})
    return f"{len(came)} of {MANY}: **drops {dropped}**, tells the publisher: {', '.join(said)}; {_present(probe)}"


# -- acknowledgements --------------------------------------------------------------------------------------------


def window(bench: Bench) -> str:
    """How many it sends when nothing is acknowledged; on MQTT 5 with the agent's ReceiveMaximum."""
    wishes = Wishes(acks=False, receive_maximum=AGENT_RECEIVE_MAXIMUM if bench.protocol == "5" else 0)
    with bench.subscriber("window", wishes) as (probe, topic):
        bench.publisher.publish_numbers(topic, UNACKED)
        got = probe.wait_quiet(2)
        distinct = len({each.number for each in got})
    _drain(bench, "window")
    said = f" (ReceiveMaximum {AGENT_RECEIVE_MAXIMUM})" if wishes.receive_maximum else ""
    return f"{distinct} of {UNACKED}{said}" + (" **no limit**" if distinct == UNACKED else "")


def redelivered(bench: Bench) -> str:
    """Twenty came, the first five were acknowledged, then the client died; ten more while it was dead."""
    with bench.subscriber("unacked", Wishes(acks=False)) as (probe, topic):
        bench.publisher.publish_numbers(topic, 20)
        for each in probe.wait_quiet(1, enough=20)[:5]:
            probe.acknowledge(each)
        first = probe.wait_quiet(0.5)
        probe.cut()
        bench.publisher.publish_numbers(topic, 10, 21)
        probe.connect(Wishes(acks=True))
        since = time.monotonic()
        again = probe.wait_quiet(1.5, enough=25)
        owed = {each.number for each in first[5:]}
        if not owed <= {each.number for each in again}:
            probe.wait(lambda: owed <= {each.number for each in probe.got}, WITHHELD_S)
            again = list(probe.got)
    return _redelivery(first, again, since)


def withheld(probe: Probe) -> str:
    """Whether a delivery that is not acknowledged comes again on the same connection. `probe` has waited with one."""
    probe.wait(lambda: len(probe.got) > 1, WITHHELD_S)
    first, *more = probe.got
    ended = probe.ended
    probe.close()
    if more:
        return f"again after {more[0].at - first.at:.0f} s{', DUP' if more[0].dup else ', without DUP'}"
    return f"hangs up: {ended}" if ended else f"not again within {WITHHELD_S:.0f} s"


def begin_withheld(bench: Bench) -> Probe:
    """A client that got one message and keeps silent; read it later by `withheld`."""
    probe = bench.probe("withheld", Wishes(acks=False))
    probe.connect()
    topic = f"matrix/{bench.protocol[0]}/withheld"
    probe.subscribe(topic)
    bench.publisher.publish_numbers(topic, 1)
    probe.wait(lambda: bool(probe.got))
    if not probe.got:
        raise RuntimeError(f"{bench.broker.kind} delivered nothing")
    return probe


# -- when the broker itself goes ---------------------------------------------------------------------------------


def survives(bench: Bench, how: str, setup: Setup) -> str:
    """What is left of a hundred messages for one that is away, once the broker was stopped or killed."""
    bench.restart("stop", setup)
    probe, _ = bench.away(f"{how}-{setup}", AWAY)
    time.sleep(WRITES_S)
    bench.restart(how, setup)
    came = _fetch(probe, AWAY)
    return f"{came}; {_present(probe)}"


def retained(bench: Bench, how: str, setup: Setup) -> str:
    """Whether a retained message is there after the broker was stopped or killed."""
    topic = f"matrix/{bench.protocol[0]}/retained-{how}-{setup}"
    bench.publisher.publish_numbers(topic, 0)
    mid = bench.publisher.publish(topic, b"7 kept", retain=True)
    bench.publisher.wait(lambda: mid in bench.publisher.told)
    time.sleep(WRITES_S)
    bench.restart(how, setup)
    probe = bench.probe("reads-retained")
    probe.connect(Wishes(clean=True))
    probe.subscribe(topic)
    got = probe.wait_quiet(1, enough=1)
    probe.close()
    return "kept" if got and got[0].payload == b"7 kept" else "**gone**"


# -- presence and sizes ------------------------------------------------------------------------------------------


def last_will(bench: Bench) -> str:
    """How soon the retained last will of a connection that was cut is told, and whether it stays for latecomers."""
    topic = f"matrix/{bench.protocol[0]}/will"
    with bench.subscriber("will") as (watcher, _):
        watcher.subscribe(topic)
        dying = bench.probe("dying", Wishes(will=(topic, b"1 dead")))
        dying.connect()
        dying.cut()
        cut_at = time.monotonic()
        watcher.wait(lambda: bool(watcher.got), 15)
        heard = watcher.got[0].at - cut_at if watcher.got else None
    late = bench.probe("late")
    late.connect(Wishes(clean=True))
    late.subscribe(topic)
    stays = bool(late.wait_quiet(1, enough=1))
    late.close()
    if heard is None:
        return "**not told**"
    return f"told after {max(0.0, heard):.1f} s, " + ("retained" if stays else "**not retained**")


def sizes(bench: Bench) -> str:
    """The largest message that goes through, of 64 KiB, 256 KiB, 1 and 4 MiB."""
    through = 0
    with bench.subscriber("sizes") as (probe, topic):
        for kib in (64, 256, 1024, 4096):
            bench.publisher.publish(topic, b"1 " + b"x" * (kib * KIB - 2))
            if not probe.wait(lambda size=kib * KIB: any(len(got.payload) == size for got in probe.got), 5):  # type: ignore[misc]  # bound now
                break
            through = kib
    return f"{through} KiB, not {4 * through} KiB" if through < 4096 else "4 MiB and more"


def too_large(bench: Bench) -> str:
    """On MQTT 5 the agent says that it takes 300 KiB at most: what becomes of a message of 400 KiB."""
    if bench.protocol != "5":
        return "can't be said: comes"
    with bench.subscriber("large", Wishes(packet_maximum=AGENT_PACKET_MAXIMUM)) as (probe, topic):
        mid = bench.publisher.publish(topic, b"1 " + b"x" * (400 * KIB))
        bench.publisher.wait(lambda: mid in bench.publisher.told, 5)
        bench.publisher.publish_numbers(topic, 1, 2)
        got = [each.number for each in probe.wait_quiet(2)]
        told = bench.publisher.told.get(mid, "nothing")
    if 1 in got:
        return "**comes all the same**"
    return f"dropped in silence (publisher told: {told})" + ("" if 2 in got else " **and the next one too**")


def takeover(bench: Bench) -> str:
    """Another comes with the client id of one that is connected."""
    with bench.subscriber("taken") as (old, topic):
        new = bench.probe("taken")
        new.connect()
        old.wait(lambda: bool(old.ended), 5)
        bench.publisher.publish_numbers(topic, 3)
        got = new.wait_quiet(1, enough=3)
        new.close()
    ended = f"the old one is told {old.ended}" if old.ended != "without a word" else "the old one is cut off unsaid"
    return f"{ended if old.ended else '**both stay**'}; session {'kept' if len(got) == 3 else '**lost**'}"


# -- in words ----------------------------------------------------------------------------------------------------


def _fetch(probe: Probe, count: int) -> str:
    """Connect and take what waits; some brokers give what they hold for lost only after half a minute."""
    if not probe.connect():
        return "**refused**"
    began = time.monotonic()
    got = probe.wait_quiet(1.5, enough=count)
    late = ""
    if len({each.number for each in got}) < count and probe.session_present:
        first = len({each.number for each in got})
        probe.wait(lambda: len({each.number for each in probe.got}) >= count, WITHHELD_S)
        got = list(probe.got)
        more = len({each.number for each in got}) - first
        late = f" (**{more} of them after {got[-1].at - began:.0f} s**)" if more else ""
    probe.close()
    return _came(got, count) + late


def _came(got: Sequence[Got], count: int) -> str:
    numbers = [each.number for each in got]
    first_time = list(dict.fromkeys(numbers))
    doubled = len(numbers) - len(first_time)
    order = "in order" if first_time == sorted(first_time) else "**out of order**"
    if not first_time:
        return "**none**"
    share = "all" if len(first_time) == count else f"**{len(first_time)} of {count}**"
    return f"{share}, {order}" + (f", {doubled} twice" if doubled else "")


def _present(probe: Probe) -> str:
    if probe.session_present is None:
        return f"refused: {probe.why}"
    return f"session present {int(probe.session_present)}"


def _untold(told: dict[int, str], count: int) -> str:
    return "" if len(told) == count else f"; **{count - len(told)} never acknowledged to the publisher**"


def _redelivery(first: Sequence[Got], again: Sequence[Got], since: float) -> str:
    owed = list(first[5:])
    known = {each.number for each in first[:5]}
    back = [each for each in again if each.number in {one.number for one in first}]
    if not back:
        news = len({each.number for each in again if each.number > 20})
        return f"**none of {len(owed)}** (new ones: {news} of 10)"
    numbers = [each.number for each in back if each.number not in known]
    mids = {each.number: each.mid for each in first}
    words = [f"**{len(set(numbers))} of {len(owed)}**" if len(set(numbers)) < len(owed) else f"all {len(owed)}"]
    words.append("in order" if numbers == sorted(numbers) else "**out of order**")
    words.append(
        "DUP" if all(each.dup for each in back) else "**no DUP**" if not any(e.dup for e in back) else "some DUP"
    )
    words.append("same mid" if all(mids.get(each.number) == each.mid for each in back) else "other mids")
    order = [each.number > 20 for each in again]
    words.append("before the new ones" if order == sorted(order) else "**after new ones**")
    if back[-1].at - since > 5:
        words.append(f"after {back[-1].at - since:.0f} s")
    if any(each.number in known for each in back):
        words.append("also some that were acknowledged")
    return ", ".join(words)


def _drain(bench: Bench, name: str) -> None:
    probe = bench.probe(name)
    probe.connect(Wishes(acks=True, clean=True))
    probe.close()


FACTS: tuple[tuple[str, Callable[[Bench], str]], ...] = (
    ("Session expiry", session_expiry),
    ("Limits that it announces", limits),
    ("100 orders while away", queued_while_away),
    ("3,000 while away", queue_limit),
    ("Sent without any PUBACK", window),
    ("Client dies, some unacknowledged", redelivered),
    ("Last will", last_will),
    ("Largest message", sizes),
    ("400 KiB, agent takes 300", too_large),
    ("Client id twice", takeover),
)
