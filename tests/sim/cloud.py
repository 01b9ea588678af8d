"""The cloud of one simulated shop: agent.simulator's, on the simulated broker, with the troubles of the way between."""

import random
from typing import Any

import msgspec

from agent.simulator.cloud import Cloud, Event
from agent.simulator.shop import Shop
from tests.sim.baton import Baton
from tests.sim.broker import Broker, Message

PREFIX, SHOP, AGENT = "shops", "s421", "box1"


class SimCloud(Cloud):
    """It forgets an event once its PUBACK was seen, where `trusting`: then nobody can ask for it again."""

    def __init__(self, baton: Baton, broker: Broker, trusting: bool) -> None:
        self._baton, self._broker, self._trusting = baton, broker, trusting
        self._keys = 0
        self._sequences: dict[int, int] = {}
        self.told_at: dict[str, float] = {}
        """When each report came, on the baton's clock, by its id."""
        broker.heard = self._arrived
        broker.acknowledged = self._acknowledged
        super().__init__("nowhere", 0, PREFIX, SHOP, AGENT)

    def bid(self, name: str, kind: str, data: dict[str, Any]) -> None:
        """A person far away tells the box something."""
        event = {"specversion": "1.0", "id": name, "source": "//staff", "type": f"command.{kind}", "data": data}
        self._publish(f"{PREFIX}/{SHOP}/dn/cmd/{AGENT}", event)

    def untold(self) -> list[str]:
        """Orders of which it never heard how they ended."""
        orders = {(e["data"]["order"]["channel"], e["data"]["order"]["id"]) for e in self.events}
        states = {order: self.order_states.get(order, "nothing") for order in sorted(orders)}
        return [
            f"untold: of order {order[1]} the cloud was last told {state}"
            for order, state in states.items()
            if state not in ("printed", "canceled")
        ]

    def _connect(self, *_: object) -> Any:
        return self

    def _publish(self, topic: str, message: Any) -> None:
        self._keys += 1
        if topic == self._order_topic:
            self._sequences[self._keys] = int(message["sequence"])
        self._broker.send(Message(topic, msgspec.json.encode(message), self._keys))

    def _acknowledged(self, key: int) -> None:
        sequence = self._sequences.get(key)
        if sequence is not None and self._trusting:
            self.forget(sequence)

    def _arrived(self, topic: str, payload: bytes) -> None:
        self._baton.note(topic, payload)
        content = msgspec.json.decode(payload)
        if topic.endswith("/report"):
            self.told_at.setdefault(content["id"], self._baton.now)
        self._hear(topic.removeprefix(self._up), content)


class Customers:
    """Orders, amendments, cancels and repetitions; `unruly` is how many of them, from 0 to 1, get lost on the way, come
    again, or after what came later.
    """

    def __init__(self, cloud: SimCloud, baton: Baton, shop: Shop, dice: random.Random, unruly: float) -> None:
        self._cloud, self._baton, self._shop, self._dice, self._unruly = cloud, baton, shop, dice, unruly

    def order(self) -> None:
        """An order, and nothing happens to it on the way."""
        self._cloud.send(self._shop.order())

    def next(self) -> None:
        """Something happens."""
        chance = self._dice.random()
        if chance < 0.3 * self._unruly:
            self._hasty()
            return
        if chance > 0.85:
            self._think_twice()
            return
        event = self._shop.next_event()
        chance = self._dice.random()
        if chance > self._unruly:
            self._cloud.send(event)
        elif chance > 0.66 * self._unruly:  # published, and lost or late on the way
            late = self._cloud.send(event, deliver=False)
            if self._dice.random() < 0.5:
                self._baton.at(self._dice.uniform(0.01, 8.0), lambda: self._cloud.resend(late))
        else:
            sent = self._cloud.send(event)
            self._twice(sent)

    def _hasty(self) -> None:
        """Ordered and called off in one breath: the second is there before the first."""
        order = self._cloud.send(self._shop.order(), deliver=False)
        subject = {key: order["data"]["order"][key] for key in ("id", "rev", "channel")}
        event = {key: order[key] for key in ("specversion", "time", "datacontenttype")}
        self._cloud.send({**event, "id": f"{order['id']}-off", "type": "order.cancel", "data": {"order": subject}})
        self._baton.at(self._dice.uniform(0.01, 30.0), lambda: self._cloud.resend(order))

    def _think_twice(self) -> None:
        """An order, and what it shall be instead while its tickets are being printed; or as it was after all."""
        first = self._cloud.send(self._shop.order())
        within_s = self._dice.choice((0.1, 1.0, 5.0))
        self._send_later(self._shop.amend(last=True), self._dice.uniform(0.0, within_s))
        if self._dice.random() < 0.5:
            again = self._shop.undo(first) if self._dice.random() < 0.7 else self._shop.amend(last=True)
            self._send_later(again, self._dice.uniform(0.0, within_s))

    def _send_later(self, event: Event, in_s: float) -> None:
        def send() -> None:
            self._cloud.send(event)

        self._baton.at(in_s, send)

    def _twice(self, event: Event) -> None:
        for _ in range(self._dice.choice((1, 1, 3))):
            self._baton.at(self._dice.uniform(0.0, 20.0), lambda: self._cloud.resend(event))
