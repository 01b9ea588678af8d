"""A platform's payload becomes an order, as its mapping says. Pure.

Paper comes first. An order is parked only where its kind, its identity, or a dish with its number is missing; any other
field that can't be read is named in the order's note, where the cook sees it.
"""

from collections.abc import Callable
from typing import Any

import msgspec

from agent.errors import DecodeError
from agent.intake import fields
from agent.intake.expressions import Expression, Reader, Unreadable
from agent.intake.mapping import ChargeFields, EventFields, ItemFields, Mapping, ModFields, OrderFields
from agent.model.order import MAX_ITEMS

LAST_REVISION = 2**53
"""Of a cancel that says neither its revision nor its time: it is final."""


class Lacking(DecodeError):
    """What the kitchen can't do without is not found, or can't be read; `expression` should have found it."""

    def __init__(self, path: str, reason: str, expression: Expression) -> None:
        super().__init__(path, reason)
        self.expression = expression


class Mapped(msgspec.Struct, frozen=True):
    """What a payload says: kind is upsert, cancel or skip; `data` is that of the event, without what was not read.
    `items` are the dishes by their places in the payload, and `faults` the fields that can't be read.
    """

    kind: str
    data: dict[str, Any]
    id: str = ""
    time: str | None = None
    items: dict[int, dict[str, Any]] = {}
    faults: list[str] = []


def map_payload(payload: Any, mapping: Mapping, reader: Reader) -> Mapped:
    """Read a payload. `reader` is a fresh one, and knows afterwards what was read.

    Raises:
        DecodeError: it is neither an order nor a cancel, or has no identity, or a dish has no name or number.
    """
    for path in mapping.unpack:
        _unpack(payload, path, reader)
    event = mapping.event
    kind = _kind(payload, event, reader)
    if kind == "skip":
        return Mapped(kind, {})
    draft = _Draft(reader)
    name = draft.get(event.id, payload, fields.text, "event.id") or ""
    time = draft.get(event.time, payload, fields.text, "event.time")
    scope = payload if mapping.root is None else draft.need(mapping.root, payload, fields.anything, "$", "root")
    reader.top = scope
    order = draft.identity(mapping, scope, payload, kind)
    if kind == "cancel":
        told = {key: draft.get(getattr(event, key), payload, fields.text, f"event.{key}") for key in ("reason", "by")}
        return Mapped(kind, {"order": order, **told}, name, time, faults=draft.faults)
    order |= draft.order(mapping.order, scope)
    return Mapped(kind, {"order": order}, name, time, draft.items_seen, draft.faults)


def _unpack(tree: Any, path: tuple[str, ...], reader: Reader) -> None:
    *way, last = path
    for key in way:
        tree = tree.get(key) if type(tree) is dict else None
    if type(tree) is dict and type(tree.get(last)) is str:
        try:
            tree[last] = reader.unpack(tree[last])
        except ValueError as exc:
            raise DecodeError("$." + ".".join(path), str(exc)) from exc


def _kind(payload: Any, event: EventFields, reader: Reader) -> str:
    for kind, expression, holds in (
        ("cancel", event.cancel, fields.mark),
        ("skip", event.skip, fields.present),
        ("upsert", event.upsert, fields.present),
    ):
        try:
            if expression is not None and holds(reader.evaluate(expression, payload)):
                return kind
        except Unreadable as exc:
            raise DecodeError("$", f"event.{kind}: {exc}") from exc
    if event.upsert is None:
        return "upsert"
    raise DecodeError(
        "$", "the mapping knows no event of this kind; add it to event.upsert, event.cancel or event.skip"
    )


class _Draft:
    """An order while it is read. Elements are counted: nobody cooks a thousand dishes, and time is bounded."""

    def __init__(self, reader: Reader) -> None:
        self.reader = reader
        self.faults: list[str] = []
        self.items_seen: dict[int, dict[str, Any]] = {}
        self._elements = 0

    def get(self, expression: Expression | None, scope: Any, read: Callable[[Any], Any], field: str) -> Any:
        """The field's value, or None; a fault is noted."""
        if expression is None:
            return None
        try:
            return read(self.reader.evaluate(expression, scope))
        except Unreadable as exc:
            self.faults.append(
                f"{field[:60]} 读不出,请看平台原单 unreadable, see the order on the platform ({str(exc)[:80]})"
            )
            return None

    def need(self, expression: Expression, scope: Any, read: Callable[[Any], Any], path: str, field: str) -> Any:
        """A value that the kitchen can't do without."""
        try:
            value = read(self.reader.evaluate(expression, scope))
        except Unreadable as exc:
            raise Lacking(path, f"{field}: {exc}", expression) from exc
        if value is None or value == "":
            raise Lacking(path, f"{field}: {expression.text!r} finds nothing", expression)
        return value

    def identity(self, mapping: Mapping, scope: Any, payload: Any, kind: str) -> dict[str, Any]:
        """The order's id, channel and revision."""
        told = mapping.order
        name = self.need(told.id, scope, fields.identity, "$.data.order.id", "order.id")
        if told.day is not None:
            name += "@" + self.need(told.day, scope, fields.text, "$.data.order.id", "order.day")
        rev = self.get(told.rev, scope, fields.revision, "order.rev")
        if rev is None:
            rev = self.get(mapping.event.time, payload, fields.time_revision(mapping.zone), "event.time")
        if rev is None:
            rev = LAST_REVISION if kind == "cancel" else 0
        return {"id": name, "rev": rev, "channel": mapping.channel}

    def order(self, told: OrderFields, scope: Any) -> dict[str, Any]:
        """Everything of the order but its identity."""
        found = self._fields(told, fields.ORDER, scope, "")
        if told.day is not None and "no" not in found:
            found["no"] = self.need(told.id, scope, fields.text, "$.data.order.id", "order.id")
        if told.customer is not None:
            found["customer"] = self._fields(told.customer, fields.CUSTOMER, scope, "customer.")
            if told.customer.member is not None:
                found["customer"]["member"] = self._fields(told.customer.member, fields.MEMBER, scope, "member.")
        if told.footer is not None:
            found["footer"] = self._fields(told.footer, fields.FOOTER, scope, "footer.")
        found = {name: value for name, value in found.items() if value not in ({}, [])}
        found["items"] = self._items(told.items, scope, "$.data.order.items")
        found["fees"] = self._charges(told.fees, scope, "fees")
        found["discounts"] = self._charges(told.discounts, scope, "discounts")
        return found

    def _fields(
        self, told: msgspec.Struct, readers: dict[str, Callable[[Any], Any]], scope: Any, prefix: str
    ) -> dict[str, Any]:
        found = {}
        for name, read in readers.items():
            expression = getattr(told, name)
            if expression is not None:
                value = self.get(expression, scope, read, prefix + name)
                if value is not None:
                    found[name] = value
        return found

    def _items(self, told: ItemFields | list[ItemFields], scope: Any, path: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        for group in told if isinstance(told, list) else [told]:
            for element in self._elements_of(self._list(group.each, scope, path), path, group.drop):
                where = f"{path}[{len(found)}]"
                name = self.need(group.name, element, fields.text, f"{where}.name", "items.name")
                qty = self.need(group.qty, element, fields.quantity, f"{where}.qty", "items.qty")
                item = {"name": name, "qty": qty, **self._fields(group, fields.ITEM, element, f"{name} ")}
                item["mods"] = self._mods(group.mods, element, f"{name} mods")
                if group.children:
                    item["children"] = self._items(group.children, element, f"{where}.children")
                self.items_seen[id(element)] = item
                self.reader.kept.append(element)
                found.append(item)
        return found

    def _mods(self, told: ModFields | list[ModFields], scope: Any, field: str) -> list[dict[str, Any]]:
        """A modifier that one group has named already is not said again by the next: platforms repeat them. One with a
        number of its own is another.
        """
        found: list[dict[str, Any]] = []
        for group in told if isinstance(told, list) else [told]:
            said = {mod["name"] for mod in found}
            for element in self._group(group.each, scope, field, group.drop):
                name = self.get(group.name, element, fields.text, f"{field}.name")
                if name is not None:
                    mod = {"name": name, **self._fields(group, fields.MOD, element, f"{field} {name} ")}
                    if name not in said or mod.get("qty", "1") != "1":
                        found.append(mod)
        return found

    def _charges(self, told: ChargeFields | list[ChargeFields], scope: Any, field: str) -> list[dict[str, Any]]:
        found = []
        for group in told if isinstance(told, list) else [told]:
            for element in self._group(group.each, scope, field):
                amount = self.get(group.amount, element, fields.whole, f"{field}.amount")
                name = self.get(group.name, element, fields.text, f"{field}.name")
                if amount:
                    found.append({"name": name or field, "amount": amount})
        return found

    def _list(self, expression: Expression, scope: Any, path: str) -> list[Any]:
        """The elements, none where nothing is found."""
        try:
            return fields.elements(self.reader.evaluate(expression, scope))
        except Unreadable as exc:
            raise Lacking(path, f"items.each: {exc}", expression) from exc

    def _group(self, each: Expression | None, scope: Any, field: str, drop: Expression | None = None) -> list[Any]:
        found = [scope] if each is None else self.get(each, scope, fields.elements, field) or []
        return self._elements_of(found, "$.data.order", drop)

    def _elements_of(self, found: list[Any], path: str, drop: Expression | None) -> list[Any]:
        self._elements += len(found)
        if self._elements > 2 * MAX_ITEMS:
            raise DecodeError(path, f"more than {2 * MAX_ITEMS} dishes, modifiers and fees")
        return found if drop is None else [element for element in found if not self._dropped(drop, element)]

    def _dropped(self, drop: Expression, element: Any) -> bool:
        """One that can't be judged stays: better a dish too many than one that is missing."""
        if not self.get(drop, element, fields.mark, "drop"):
            return False
        self.reader.mark(element)
        return True
