"""Rows 27 to 33: whatever befalls a printer (those of the campaign), and printers that change places."""

import time
from collections.abc import Callable

from agent.simulator.ports import TcpPort, serve_tcp
from tests.campaign.mishaps import KINDS, Kind, Mishap, Scene, put_right
from tests.prove.row import Row
from tests.prove.stage import Needs, Stage

RUSH = 6
LASTS_S = (0.3, 3.0, 8.0)
TICKET_BYTES = 1200


def mishap(kind: Kind) -> Callable[[Stage], None]:
    """It befalls one printer amid a rush, once or twice, at a byte that chance chose."""

    def play(stage: Stage) -> None:
        chance = stage.chance
        stage.start()
        stage.order(3)
        stage.until(stage.settled, 20)
        for _ in range(chance.randint(1, 2)):
            suited = [m for m in stage.members if kind.suits(m.cable, m.tier)]
            member = chance.choice(suited)
            device = member.device
            at = device.received + chance.randrange(TICKET_BYTES)
            stage.order(RUSH)
            device.wait_for(lambda it, at=at: it.received >= at, 5)  # type: ignore[misc]  # bound at once
            lasts_s = chance.choice(LASTS_S) * chance.uniform(0.4, 1.1)
            played: Mishap = kind.play(Scene(member, chance, lasts_s))
            stage.say(f"{member.name}: {next(played)}, for {lasts_s:.1f} s")
            time.sleep(lasts_s)
            next(played, None)
            put_right(device)
            stage.order(2)
            stage.wait_printed(2)

    return play


def swapped(stage: Stage) -> None:
    """Two printers change places in a rush; what they say of themselves tells them apart. Then back again."""
    stage.start()
    stage.order(6, changes=0)
    stage.until(stage.settled, 20)
    one, two = stage.members
    ports = [member.port for member in stage.members]
    stage.order(RUSH)
    time.sleep(stage.chance.uniform(0, 1))
    numbers = [port.port for port in ports if isinstance(port, TcpPort)]
    for port in ports:
        port.close()
    with serve_tcp(two.device, port=numbers[0]), serve_tcp(one.device, port=numbers[1]):
        stage.say("the printers changed places")
        stage.order(RUSH)
        told = stage.until(lambda: any(":other" in key for key in stage.cloud.alarms), 12)
        stage.must(told, "an alarm says that another printer is there, within 12 s")
    with serve_tcp(one.device, port=numbers[0]), serve_tcp(two.device, port=numbers[1]):
        stage.say("and back")
        stage.must(stage.settle(), "what waited is printed once they are back")


def _needs(kind: Kind) -> Needs:
    cable = next((cable for cable in kind.cables if cable in ("tcp", "pty")), None)
    return Needs(cable=cable, tiers=tuple(tier for tier in kind.tiers if tier < 3))


ROWS = (
    *(Row(kind.row, kind.name, mishap(kind), _needs(kind)) for kind in KINDS),
    Row(32, "swapped ports", swapped, Needs(cable="tcp")),
)
