"""What a mapping says: a JMESPath expression for each field of an event and of its order. Pure."""

from datetime import tzinfo

import msgspec

from agent.intake.expressions import Expression
from agent.intake.unread import Ignored


class ModFields(msgspec.Struct, frozen=True, kw_only=True):
    """The modifiers of a dish: one for each element, or a single one. Elements for which `drop` is true are left out,
    with their words.
    """

    each: Expression | None = None
    drop: Expression | None = None
    name: Expression
    qty: Expression | None = None
    price: Expression | None = None


class ItemFields(msgspec.Struct, frozen=True, kw_only=True):
    """The dishes of an order, or the parts of a set meal: one for each element but for those that `drop` takes out."""

    each: Expression
    drop: Expression | None = None
    name: Expression
    qty: Expression
    id: Expression | None = None
    sku: Expression | None = None
    category: Expression | None = None
    name2: Expression | None = None
    unit: Expression | None = None
    station: Expression | None = None
    course: Expression | None = None
    seat: Expression | None = None
    basket: Expression | None = None
    note: Expression | None = None
    price: Expression | None = None
    mods: "ModFields | list[ModFields]" = []
    children: "ItemFields | list[ItemFields]" = []


class ChargeFields(msgspec.Struct, frozen=True, kw_only=True):
    """Fees or discounts: one for each element, or a single one. One of nothing is left out."""

    each: Expression | None = None
    name: Expression
    amount: Expression


class MemberFields(msgspec.Struct, frozen=True, kw_only=True):
    """What the platform knows of a returning customer."""

    level: Expression | None = None
    visits: Expression | None = None


class CustomerFields(msgspec.Struct, frozen=True, kw_only=True):
    """Who ordered."""

    name: Expression | None = None
    phone_tail: Expression | None = None
    member: MemberFields | None = None


class FooterFields(msgspec.Struct, frozen=True, kw_only=True):
    """What the platform wants at the end of the receipt."""

    text: Expression | None = None
    qr: Expression | None = None


class OrderFields(msgspec.Struct, frozen=True, kw_only=True):
    """An order. `rev` is a number that grows; `day` is the business day, for a channel that uses its ids again."""

    id: Expression
    rev: Expression | None = None
    day: Expression | None = None
    no: Expression | None = None
    fulfil: Expression | None = None
    table: Expression | None = None
    guests: Expression | None = None
    placed_at: Expression | None = None
    due_at: Expression | None = None
    release_at: Expression | None = None
    expires_at: Expression | None = None
    rush: Expression | None = None
    customer: CustomerFields | None = None
    courier: Expression | None = None
    cutlery: Expression | None = None
    pickup_code: Expression | None = None
    note: Expression | None = None
    allergies: Expression | None = None
    items: ItemFields | list[ItemFields]
    fees: ChargeFields | list[ChargeFields] = []
    discounts: ChargeFields | list[ChargeFields] = []
    total: Expression | None = None
    currency: Expression | None = None
    paid: Expression | None = None
    footer: FooterFields | None = None


class EventFields(msgspec.Struct, frozen=True, kw_only=True):
    """What happened, read from the whole payload: the first of cancel, skip and upsert that is true; an order where
    upsert is not written. `reason` and `by` are those of a cancel.
    """

    id: Expression | None = None
    time: Expression | None = None
    cancel: Expression | None = None
    skip: Expression | None = None
    upsert: Expression | None = None
    reason: Expression | None = None
    by: Expression | None = None


class Mapping(msgspec.Struct, frozen=True, kw_only=True):
    """A mapping that was read. `unpack` are paths of texts that hold JSON, `root` is where the order is."""

    channel: str
    event: EventFields
    order: OrderFields
    zone: tzinfo | None = None
    unpack: tuple[tuple[str, ...], ...] = ()
    root: Expression | None = None
    ignore: Ignored = Ignored()
