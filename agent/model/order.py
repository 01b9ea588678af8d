"""An order as the cloud tells it: always the whole order, with a revision. Unknown fields are ignored.

Money is integer minor units (分). Quantities are decimal strings, for goods sold by weight.
"""

import hashlib
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any

import msgspec

MAX_ITEMS = 500
MAX_RAW_COPIES = 50
MAX_NUMBER = 200
DIALECTS = ("native", "feie", "xpyun", "yilian", "receiptline")
"""The markups that ready-made content may be in. It is declared, never guessed: their tags contradict each other."""
QUANTITY = "^[0-9]{1,7}(\\.[0-9]{1,6})?$"
Quantity = Annotated[
    str | int,
    msgspec.Meta(extra_json_schema={"pattern": QUANTITY, "minimum": 0, "maximum": 9_999_999, "examples": ["2", "0.5"]}),
]
"""Plain digits, as they will stand on paper."""


class Modifier(msgspec.Struct, frozen=True):
    """A choice beside an item: 加热, 少冰, 重辣."""

    name: str
    qty: Quantity = 1
    price: int | None = None


class Item(msgspec.Struct, frozen=True):
    """One line of an order; `children` are the parts of a set meal."""

    name: str
    qty: Quantity
    id: str | int | None = None
    sku: str | None = None
    category: str | None = None
    name2: str | None = None
    unit: str | None = None
    station: str | None = None
    course: str | int | None = None
    seat: str | int | None = None
    basket: str | int | None = None
    note: str | None = None
    mods: list[Modifier] = []
    children: list["Item"] = []
    price: int | None = None

    @property
    def alone(self) -> "Item":
        """Without its parts: with each of them, they would be as many as their square."""
        return msgspec.structs.replace(self, children=[]) if self.children else self


class Member(msgspec.Struct, frozen=True):
    """What the platform knows of a returning customer."""

    level: str | None = None
    visits: int | None = None


class Customer(msgspec.Struct, frozen=True):
    """Who ordered, as far as the kitchen may know."""

    name: str | None = None
    phone_tail: str | None = None
    member: Member | None = None


class Charge(msgspec.Struct, frozen=True):
    """A fee or a discount."""

    name: str
    amount: int


class Footer(msgspec.Struct, frozen=True):
    """What the platform wants at the end of the customer's receipt."""

    text: str | None = None
    qr: str | None = None


class Order(msgspec.Struct, frozen=True):
    """A full snapshot of an order at revision `rev`. Identity: (channel, id)."""

    id: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
    rev: Annotated[int, msgspec.Meta(ge=0, le=2**53)]
    channel: Annotated[str, msgspec.Meta(max_length=100)]
    items: Annotated[list[Item], msgspec.Meta(max_length=MAX_ITEMS, extra_json_schema={"minItems": 1})]
    no: str | int | None = None
    fulfil: str | None = None
    table: str | int | None = None
    guests: int | None = None
    placed_at: datetime | None = None
    due_at: datetime | None = None
    release_at: datetime | None = None
    expires_at: datetime | None = None
    rush: bool = False
    customer: Customer | None = None
    courier: Any = None
    cutlery: int | str | None = None
    pickup_code: str | int | None = None
    note: str | None = None
    allergies: list[str] = []
    fees: list[Charge] = []
    discounts: list[Charge] = []
    total: int | None = None
    currency: str | None = None
    paid: bool | None = None
    footer: Footer | None = None
    unread: list[str] = []
    """Words of the platform's that its mapping has no field for: printed, and no change by themselves."""

    @property
    def number(self) -> str:
        """What people call the order: its daily number, else its id. It stands in each report."""
        number = str(self.no) if self.no not in (None, "") else self.id
        return number if len(number) <= MAX_NUMBER else f"{number[: MAX_NUMBER - 1]}…"


class CanceledOrder(msgspec.Struct, frozen=True):
    """Which order is meant, by a cancel for one."""

    id: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
    rev: Annotated[int, msgspec.Meta(ge=0, le=2**53)]
    channel: Annotated[str, msgspec.Meta(max_length=100)]


class Cancel(msgspec.Struct, frozen=True):
    """`order.cancel`: the order is off, at or after this revision."""

    order: CanceledOrder
    reason: str | None = None
    by: str | None = None


class Upsert(msgspec.Struct, frozen=True):
    """`order.upsert`: the whole order, new or changed."""

    order: Order


class Raw(msgspec.Struct, frozen=True):
    """Content that an integrator has made already, in the markup of a vendor. An unknown station's is the default's."""

    dialect: Annotated[str, msgspec.Meta(extra_json_schema={"enum": list(DIALECTS)})]
    content: Annotated[str, msgspec.Meta(min_length=1)]
    station: str | None = None
    copies: Annotated[int, msgspec.Meta(ge=1, le=MAX_RAW_COPIES)] = 1


def raw_channel(source: str) -> str:
    """Where ready-made content of a source belongs: an event's id is its source's own."""
    name = f"print.raw {source}"
    return name if len(name) <= 100 else f"print.raw {hashlib.sha256(source.encode()).hexdigest()}"


class PrintRaw(msgspec.Struct, frozen=True):
    """`print.raw`: it has one revision, and the event's id for its own."""

    raw: Raw
    order: CanceledOrder = CanceledOrder("-", 0, "print.raw")


class Event(msgspec.Struct, frozen=True):
    """A decoded CloudEvent. `sequence` is None where the cloud does not count; `flaws` is what it says beside its data
    and can't be read, in words.
    """

    id: str
    source: str
    type: str
    data: Upsert | Cancel | PrintRaw | None
    digest: str
    time: datetime | None = None
    sequence: int | None = None
    flaws: tuple[str, ...] = ()


def quantity(value: Quantity) -> Decimal | None:
    """The number of a quantity, or None when it is not a finite decimal."""
    try:
        number = Decimal(value)
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


READ_UPSERT = msgspec.json.Decoder(Upsert)
READ_RAW = msgspec.json.Decoder(Raw)
READ_PRINT_RAW = msgspec.json.Decoder(PrintRaw)
"""Made here, before there are threads: msgspec builds what it knows of a type at first use, and crashes when two do."""

_BEFORE_THREADS = msgspec.json.Decoder(Cancel), msgspec.json.Decoder(CanceledOrder)
