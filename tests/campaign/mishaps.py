"""Everything that befalls a printer, each as people and accidents do it: begun, left for a while, put right.

A mishap is a generator: it begins, yields in words what it did, and when it goes on it puts things right. Rows are
those of the fault matrix.
"""

import random
import time
from collections.abc import Callable, Generator

import msgspec

from agent.simulator.faults import Reply, Trouble
from agent.simulator.printer import VirtualPrinter
from tests.campaign.fleet import Member
from tests.paper import receipt

Mishap = Generator[str, None, None]
USB = ("usblp", "usb")
"""A USB printer without power is gone from the bus: it goes unnoticed nowhere there."""

WHOLE_TICKET_BYTES = 900
WHOLE_TICKET_LINES = 16
HAND_S = 1.5
"""Nobody opens and closes a cover faster."""

BOOT_S = 1.0
"""No printer starts faster."""

QUIET_S, QUIET_WITHIN_S = 0.3, 3.0


class Scene(msgspec.Struct):
    """Where it happens, with dice, and how long it will last."""

    member: Member
    chance: random.Random
    lasts_s: float

    @property
    def device(self) -> VirtualPrinter:
        """The printer."""
        return self.member.device


class Kind(msgspec.Struct, frozen=True):
    """A kind of mishap. `hands`: a person at the printer puts it right. `tiers` and `cables` where it makes sense.
    `alone`: never with another one. `asked`: only where asked for by name.
    """

    name: str
    row: int
    play: Callable[[Scene], Mishap]
    hands: bool = False
    weight: int = 2
    cables: tuple[str, ...] = ()
    tiers: tuple[int, ...] = (1, 2, 3)
    alone: bool = False
    asked: bool = False

    def suits(self, cable: str, tier: int) -> bool:
        """Can it happen there?"""
        return tier in self.tiers and (not self.cables or cable in self.cables)


# -- 27: off or unplugged ------------------------------------------------------------------------------------------


def _off(scene: Scene) -> Mishap:
    off_at = time.monotonic()
    scene.device.power_off()
    yield "power off"
    _boot(scene, off_at)


def _boot(scene: Scene, off_at: float) -> None:
    """No printer is back sooner."""
    time.sleep(max(0.0, off_at + BOOT_S - time.monotonic()))
    scene.device.power_on()


def _blink(scene: Scene) -> Mishap:
    scene.device.power_cycle()
    yield "power off and on"


def _off_unnoticed(scene: Scene) -> Mishap:
    off_at = time.monotonic()
    scene.device.power_off(keep_line=True)
    yield "power off, and the line does not show it"
    time.sleep(max(0.0, off_at + BOOT_S - time.monotonic()))
    scene.device.power_on(reset_line=scene.member.cable == "tcp")


def _off_held(scene: Scene) -> Mishap:
    """With RTS/CTS a printer without power holds the bytes back: they come when it is on again."""
    off_at = time.monotonic()
    scene.device.stall()
    scene.device.power_off(keep_line=True)
    yield "power off, flow control holds what is sent"
    _boot(scene, off_at)
    scene.device.stall(False)


def _unplugged(scene: Scene) -> Mishap:
    scene.device.refuse()
    yield "unplugged"
    scene.device.refuse(False)


def _far(scene: Scene) -> Mishap:
    """A network cable is pulled: bytes wait on both sides until it is back."""
    scene.device.stall()
    scene.device.trouble_replies(Trouble.DELAY, delay_s=scene.lasts_s)
    yield "the network is cut"
    scene.device.stall(False)


def _cut(scene: Scene, reset: bool) -> Mishap:
    after = scene.chance.randrange(WHOLE_TICKET_BYTES)
    scene.device.cut_link(after, reset)
    yield f"link cut by {'RST' if reset else 'FIN'} after {after} bytes"


def _till(scene: Scene) -> Mishap:
    """One that shares the printer: where our link breaks its receipt comes between, as long as a ticket."""
    device, lines = scene.device, scene.chance.randrange(12, 22)
    device.cut_link(scene.chance.randrange(WHOLE_TICKET_BYTES), scene.chance.random() < 0.5)
    yield f"the link is cut, and a till prints {lines} lines"
    if device.wait_for(lambda it: not it.connected, QUIET_WITHIN_S):
        device.receive(receipt(lines))


def _taken(scene: Scene) -> Mishap:
    scene.device.refuse()
    with scene.member.guest() as guest:
        yield f"another printer answers here, {guest.name}"
    scene.device.refuse(False)


# -- 28, 29 and what else needs hands ------------------------------------------------------------------------------


def _paper(scene: Scene) -> Mishap:
    lines = scene.chance.randrange(WHOLE_TICKET_LINES)
    scene.device.run_out_of_paper(lines)
    yield f"paper out after {lines} lines"
    scene.device.load_paper()


def _cover(scene: Scene) -> Mishap:
    opened_at = time.monotonic()
    scene.device.open_cover()
    yield "cover open"
    time.sleep(max(0.0, opened_at + HAND_S - time.monotonic()))
    scene.device.close_cover()


def _jam(scene: Scene) -> Mishap:
    scene.device.jam_cutter()
    yield "cutter jam"
    scene.device.clear_jam()


def _broken(scene: Scene) -> Mishap:
    scene.device.break_down()
    yield "unrecoverable error, then power off and on"
    scene.device.power_off()
    scene.device.break_down(False)
    scene.device.power_on()


def _feed(scene: Scene) -> Mishap:
    scene.device.press_feed()
    yield "FEED held down"
    scene.device.press_feed(False)


def _offline(scene: Scene) -> Mishap:
    scene.device.go_offline()
    yield "offline without a cause"
    scene.device.go_online()


# -- 30: takes bytes and never prints ------------------------------------------------------------------------------


def _swallow(scene: Scene) -> Mishap:
    """It prints again from between two tickets on: a printer that drops a part of one and prints its end is a line
    without flow control, of which nothing below tier 1 with counters can know.
    """
    scene.device.swallow()
    yield "swallows bytes, then comes to its senses"
    _wait_for_quiet(scene.device)
    scene.device.swallow(False)


def _head(scene: Scene) -> Mishap:
    """As one that starts just then, behind a print server: the link holds, and what comes first is missed."""
    _wait_for_quiet(scene.device)
    count = scene.chance.randrange(1, 600)
    scene.device.swallow(next_bytes=count)
    yield f"misses the next {count} bytes"
    scene.device.swallow(False)


def _hung(scene: Scene) -> Mishap:
    scene.device.swallow()
    yield "swallows bytes, then power off and on"
    scene.device.power_off()
    scene.device.swallow(False)
    scene.device.power_on()


def _dead(scene: Scene) -> Mishap:
    scene.device.swallow()
    scene.device.mute()
    yield "swallows bytes and says nothing, then power off and on"
    scene.device.power_off()
    scene.device.swallow(False)
    scene.device.mute(False)
    scene.device.power_on()


# -- 31: what it says ----------------------------------------------------------------------------------------------


def _answers(scene: Scene) -> Mishap:
    trouble = scene.chance.choice(tuple(Trouble))
    reply = scene.chance.choice((None, None, *Reply))
    count = scene.chance.choice((1, 1, 2, 3, 6, None))
    delay_s = round(scene.chance.choice((0.2, 1.0, 4.0, 8.0, 16.0)) * scene.chance.uniform(0.5, 1.2), 1)
    scene.device.trouble_replies(trouble, reply, count, delay_s)
    late = f" by {delay_s} s" if trouble is Trouble.DELAY else ""
    yield f"answers: {trouble}{late}, {reply or 'all'}, {count or 'every time'}"
    scene.device.reply_faults.clear()


def _mute(scene: Scene) -> Mishap:
    scene.device.mute()
    yield "prints and says nothing"
    scene.device.mute(False)


def _noise(scene: Scene) -> Mishap:
    noise = scene.chance.randbytes(scene.chance.randrange(1, 40))
    scene.device.babble(noise)
    yield f"noise: {noise.hex()}"
    scene.device.babble(scene.chance.randbytes(3))


# -- 33: flow control ----------------------------------------------------------------------------------------------


def _stall(scene: Scene) -> Mishap:
    scene.device.stall()
    yield "takes no more bytes"
    scene.device.stall(False)


KINDS = (
    Kind("power off", 27, _off, hands=True),
    Kind("power blink", 27, _blink, weight=1),
    Kind("power off, unnoticed", 27, _off_unnoticed, hands=True, cables=("tcp", "pty")),
    Kind("power off, bytes held", 27, _off_held, hands=True, weight=1, cables=("pty",)),
    Kind("unplugged", 27, _unplugged, hands=True),
    Kind("network cut", 27, _far, cables=("tcp",)),
    Kind("link cut, FIN", 27, lambda scene: _cut(scene, reset=False), weight=3, cables=("tcp",)),
    Kind("a till on it", 27, _till, cables=("tcp",)),
    Kind("link cut, RST", 33, lambda scene: _cut(scene, reset=True), weight=3, cables=("tcp",)),
    Kind("line cut", 27, lambda scene: _cut(scene, reset=False), weight=3, cables=("pty", *USB)),
    Kind("address taken", 32, _taken, cables=("tcp", "pty"), tiers=(1, 2), alone=True, asked=True),
    Kind("paper out", 28, _paper, hands=True, weight=3),
    Kind("cover open", 29, _cover, hands=True, weight=3),
    Kind("cutter jam", 28, _jam, hands=True, weight=1),
    Kind("error, power cycle", 30, _broken, hands=True),
    Kind("FEED held", 29, _feed, hands=True, weight=1),
    Kind("offline", 29, _offline, weight=1),
    Kind("swallows", 30, _swallow),
    Kind("misses the head", 30, _head, tiers=(1, 2)),
    Kind("swallows, power cycle", 30, _hung, hands=True),
    Kind("dead, power cycle", 30, _dead, hands=True),
    Kind("answers", 31, _answers, weight=8, tiers=(1, 2)),
    Kind("mute", 31, _mute, tiers=(1, 2)),
    Kind("noise", 31, _noise, weight=3),
    Kind("stuck flow control", 33, _stall),
)


def _wait_for_quiet(device: VirtualPrinter) -> None:
    deadline = time.monotonic() + QUIET_WITHIN_S
    while time.monotonic() < deadline:
        heard = device.received
        if not device.wait_for(lambda it, before=heard: it.received > before, QUIET_S):  # type: ignore[misc]  # bound at once
            return


def put_right(device: VirtualPrinter) -> None:
    """Whatever was wrong with it is not any more."""
    device.heal()
    device.load_paper()
    device.close_cover()
    device.clear_jam()
    device.break_down(False)
    device.press_feed(False)
    device.go_online()
    device.power_on()
