"""The people of a shop: they let late orders go, look at the paper where a ticket is in doubt, want a copy, pause."""

import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from agent.simulator.piece import Piece
from agent.simulator.reading import Banner, Printed, read_paper
from agent.simulator.share import Stations, says_all
from agent.simulator.verdict import Story, tell
from tests.sim.cloud import SimCloud

Paper = Mapping[str, Sequence[Piece]]


class People:
    """What they know is what the cloud was told, and the paper."""

    def __init__(self, cloud: SimCloud, stations: Stations, paper: Callable[[], Paper], dice: random.Random) -> None:
        self._cloud, self._stations, self._paper, self._dice = cloud, stations, paper, dice
        self._said = 0

    def see_to_things(self) -> None:
        """Whatever waits for a person."""
        beat = self._cloud.beats[-1] if self._cloud.beats else {}
        if beat.get("orders_held"):
            self._say("release", {"all": True})
            self._say("release", {"all": True, "why": "upcoming"})
        for ticket in self._asked_about():
            decision = "printed" if self._is_on_paper(ticket) else "again"
            self._say("settle", {"ticket": ticket["ticket"], "decision": decision})

    def want_a_copy(self) -> None:
        """Of any order that is on paper."""
        printed = sorted(order for order, state in self._cloud.order_states.items() if state == "printed")
        if printed:
            channel, order = self._dice.choice(printed)
            self._say("reprint", {"order": order, "channel": channel})

    def pause(self, printer: str) -> None:
        """It shall print nothing."""
        self._say("pause", {"printer": printer})

    def resume(self) -> None:
        """All shall print."""
        self._say("resume", {"printer": "all"})

    def go_on(self) -> None:
        """Nothing shall be paused any more: what the broker forgot to tell the box is said again."""
        alarms = {each["key"]: each["state"] for each in self._cloud.reported("alarm")}
        if any(key.endswith(":paused") and state == "raised" for key, state in alarms.items()):
            self.resume()

    def _say(self, kind: str, data: dict[str, Any]) -> None:
        self._said += 1
        self._cloud.bid(f"said-{self._said}", kind, data)

    def _newest(self) -> list[dict[str, Any]]:
        """Where each ticket is, as the cloud was told last."""
        return list({each["ticket"]: each for each in self._cloud.reported("ticket.state")}.values())

    def _asked_about(self) -> list[dict[str, Any]]:
        return [each for each in self._newest() if each["state"] == "unconfirmed"]

    def _is_on_paper(self, ticket: dict[str, Any]) -> bool:
        """Once more than is known of the others of its number: a copy bears the number of the first."""
        wanted = _named(ticket)
        others = sum(each["state"] == "completed" and _named(each) == wanted for each in self._newest())
        story = tell(self._cloud.events, self._stations).get(wanted[0])
        found = sum(
            self._stations.is_whole(printed)
            and (printed.number, printed.station, printed.running) == wanted
            and (printed.banner is Banner.VOID) == (ticket["kind_of_ticket"] == "cancel")
            and (story is None or _misses_nothing(printed, story))
            for printer, pieces in self._paper().items()
            for printed in read_paper(printer, pieces)
        )
        return bool(found > others)


def _misses_nothing(printed: Printed, story: Story) -> bool:
    """Beside the order on a telephone: a ticket that has lost its middle has its end all the same."""
    if printed.banner is Banner.VOID or printed.only_changes:
        return True
    shares = [share[printed.station] for share in story.snapshots.values() if printed.station in share]
    return any(says_all(printed.words, dishes) for dishes in shares)


def _named(ticket: dict[str, Any]) -> tuple[str, str, int]:
    return ticket["order"]["no"], ticket["station"], ticket.get("number", 0)
