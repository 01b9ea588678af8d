"""What befalls a shop: one function for what happens at a printer, one for what happens elsewhere."""

import random
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

from agent.simulator.faults import Trouble as Reply
from agent.simulator.printer import VirtualPrinter
from tests.disk.disk import Fault
from tests.paper import receipt
from tests.sim.plan import BAR, KITCHEN, Trouble

if TYPE_CHECKING:
    from tests.sim.world import World

WRONG = (timedelta(hours=1), timedelta(hours=-1), timedelta(days=-3650), timedelta(days=3650))
STARTS_S = 1.0
"""A printer has its power again, and is still deaf: manuals have it offline until it is ready, and a head must be warm.
The agent counts on no less than MARK_EACH_S of it.
"""
KNOWN_S = 60.0
"""So long a line must crackle before its printer dies: who has not heard it can't know."""
TICKET_LINES = 12
"""Of the shortest ones: a receipt of another length is not mixed up with a ticket."""
SLOW = ("power", "dark", "cover")
"""Nor does a hand open and close a cover in less."""
_REPLIES = {"lose": Reply.LOSE, "garble": Reply.GARBLE, "delay": Reply.DELAY, "double": Reply.DUPLICATE}


def befall(world: "World", trouble: Trouble) -> None:
    """It happens; and is over after its time."""
    world.baton.say(trouble)
    then = partial(world.baton.at, trouble.for_s + (STARTS_S if trouble.what in SLOW else 0.0))
    if trouble.where:
        _at_printer(world, world.devices[trouble.where], trouble, then, serial=world.plan.serial)
    else:
        _elsewhere(world, trouble, then)


def mend(world: "World", device: VirtualPrinter) -> None:
    """Whatever is wrong with it."""
    device.heal()
    if not device.powered:
        world.baton.at(STARTS_S, device.power_on)
    for act in (device.load_paper, device.close_cover, device.clear_jam, device.go_online):
        act()


def _at_printer(
    world: "World",
    device: VirtualPrinter,
    trouble: Trouble,
    then: Callable[[Callable[[], None]], None],
    *,
    serial: bool,
) -> None:
    match trouble.what:
        case "paper":
            device.run_out_of_paper(trouble.number % 30)
            then(device.load_paper)
        case "power":
            device.power_off(keep_line=serial)
            then(device.power_on)
        case "dark":  # a network tells nobody, until the printer is there again and knows of no connection
            device.power_off(keep_line=True)
            then(partial(device.power_on, reset_line=not serial))
        case "cut":
            device.cut_link(trouble.number, reset=bool(trouble.number % 2))
        case "babble":
            device.babble(random.Random(trouble.number).randbytes(1 + trouble.number % 3))
        case "gulp":
            _when_idle(world, device, partial(device.swallow, next_bytes=trouble.number % 600))
        case "crackle":
            _crackle(world, device, trouble)
        case "till" if serial:
            pass  # nobody else is on that line
        case "till":
            device.cut_link(trouble.number, reset=bool(trouble.number % 2))
            _when_idle(world, device, partial(device.receive, receipt(TICKET_LINES + trouble.number % 8)))
        case what if what in _REPLIES:
            delay_s = trouble.for_s if what == "delay" else 0.0
            device.trouble_replies(_REPLIES[what], count=1 + trouble.number % 6, delay_s=delay_s)
        case what:
            begin, end = _LASTING[what]
            begin(device)
            then(partial(end, device))


def _crackle(world: "World", device: VirtualPrinter, trouble: Trouble) -> None:
    """The line says a byte now and then that looks like an answer to GS r; once that is known, the printer swallows."""
    dies, lives = _LASTING["swallow"]
    world.baton.at(KNOWN_S, partial(dies, device))
    world.baton.at(KNOWN_S + trouble.for_s, partial(lives, device))
    dice = random.Random(trouble.number)
    at_s, longest_s = 0.0, dice.choice((1.0, 5.0, 20.0))
    while at_s < KNOWN_S + trouble.for_s:
        world.baton.at(at_s, partial(device.babble, dice.choice((b"\0", b"\x03", b"\x0c", b"\x60"))))
        at_s += dice.uniform(0.2, longest_s)


def _when_idle(
    world: "World", device: VirtualPrinter, then: Callable[[], None], received: int = -1, looks: int = 600
) -> None:
    """As soon as nothing comes in and nothing of ours is under way in it, or the link has just broken."""
    quiet = device.received == received and not device.buffered and device.reachable
    if quiet and not (device.connected and device.paper.current.items):
        then()
    elif looks:
        world.baton.at(0.05, partial(_when_idle, world, device, then, device.received, looks - 1))


_LASTING: dict[str, tuple[Callable[[VirtualPrinter], None], Callable[[VirtualPrinter], None]]] = {
    "cover": (VirtualPrinter.open_cover, VirtualPrinter.close_cover),
    "jam": (VirtualPrinter.jam_cutter, VirtualPrinter.clear_jam),
    "offline": (VirtualPrinter.go_offline, VirtualPrinter.go_online),
    "refuse": (VirtualPrinter.refuse, lambda device: device.refuse(False)),
    "stall": (VirtualPrinter.stall, lambda device: device.stall(False)),
    "mute": (VirtualPrinter.mute, lambda device: device.mute(False)),
    "swallow": (VirtualPrinter.swallow, lambda device: device.swallow(False)),
}


def _elsewhere(world: "World", trouble: Trouble, then: Callable[[Callable[[], None]], None]) -> None:
    broker = world.broker
    match trouble.what:
        case "kick":
            broker.kick()
        case "take_over":
            broker.take_over()
        case "down" | "forget":
            known = bool(world.cloud.order_states)  # who was never heard of can't be asked for what was missed
            broker.go_down(forgetful=trouble.what == "forget" and known)
            then(broker.come_up)
        case "deaf":
            broker.deaf = True
            then(broker.found_out)
        case "full":
            world.disk_fails(Fault.FULL)
            then(partial(world.disk_fails, None))
        case "read_only":
            world.disk_fails(Fault.READ_ONLY)
            then(partial(world.disk_fails, None))
        case "eio":
            world.disk_fails(Fault.BROKEN)
        case "copy":
            world.people.want_a_copy()
        case "pause":
            world.people.pause((KITCHEN, BAR)[trouble.number % 2])
            then(world.people.resume)
        case "clock":
            world.wall.set_wrong(WRONG[trouble.number % len(WRONG)], known=trouble.number % 3 == 0)
            then(world.wall.set_right)
        case "restart":
            world.restart()
