"""What is taken from the wire and what is parked, with the path of the fault."""

import json
import time
import tracemalloc
from copy import deepcopy
from typing import Annotated, Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.errors import DecodeError
from agent.intake.decode import convert, decode_event
from agent.intake.strictjson import MAX_BYTES, decode_tree
from agent.model.command import Pick, Settle
from agent.model.order import Cancel, PrintRaw, Upsert

ITEM = {"name": "豆浆", "qty": "2"}
UPSERT: dict[str, Any] = {
    "specversion": "1.0",
    "id": "e1",
    "source": "//orders.example/s421/e1",
    "type": "order.upsert",
    "time": "2026-11-22T07:31:05+08:00",
    "sequence": "00000000000000000042",
    "data": {"order": {"id": "8812", "rev": 1, "channel": "alipay", "no": "42", "items": [ITEM]}},
}
CANCEL: dict[str, Any] = {
    **UPSERT,
    "type": "order.cancel",
    "data": {"order": {"id": "8812", "rev": 2, "channel": "alipay"}, "reason": "客人走了"},
}


def changed(base: dict[str, Any], path: str, value: object = ..., /) -> bytes:
    """The event with one thing put at a path, or taken away."""
    tree = deepcopy(base)
    *way, last = [int(key) if key.isdigit() else key for key in path.replace("[", ".").replace("]", "").split(".")]
    node: Any = tree
    for key in way:
        node = node[key]
    if value is ...:
        del node[last]
    else:
        node[last] = value
    return json.dumps(tree).encode()


def with_order(**fields: object) -> bytes:
    """An upsert whose order has these fields too."""
    return json.dumps({**UPSERT, "data": {"order": {**UPSERT["data"]["order"], **fields}}}).encode()


def refused(payload: bytes, attributes: dict[str, str] | None = None) -> DecodeError:
    """The error that this payload is parked with."""
    with pytest.raises(DecodeError) as caught:
        decode_event(payload, attributes)
    return caught.value


def test_structured_event_is_read() -> None:
    """One JSON object: the attributes, the order, and its place in the sequence."""
    event, canonical = decode_event(json.dumps(UPSERT).encode())
    assert isinstance(event.data, Upsert)
    assert (event.id, event.sequence, event.data.order.number) == ("e1", 42, "42")
    assert event.time is not None
    assert event.time.isoformat() == "2026-11-22T07:31:05+08:00"
    assert msgspec.json.decode(canonical, type=Upsert) == event.data


def test_binary_event_is_read() -> None:
    """On MQTT 5 the attributes may be user properties and the payload the data alone: the same event."""
    attributes = {key: value for key, value in UPSERT.items() if key != "data"}
    assert decode_event(json.dumps(UPSERT["data"]).encode(), attributes) == decode_event(json.dumps(UPSERT).encode())


def test_cancel_and_ping_are_read() -> None:
    """A cancel needs no items; a ping needs no data."""
    event, _ = decode_event(json.dumps(CANCEL).encode())
    assert isinstance(event.data, Cancel)
    assert decode_event(changed({**UPSERT, "type": "ping"}, "data"))[0].data is None


REQUIRED = ["specversion", "id", "source", "type", "data.order", "data.order.id", "data.order.rev"]
REQUIRED += ["data.order.channel", "data.order.items", "data.order.items[0].name", "data.order.items[0].qty"]


@pytest.mark.parametrize("path", REQUIRED)
def test_missing_field_is_named(path: str) -> None:
    """An event that lacks what it needs is parked with the path of what is missing."""
    assert refused(changed(UPSERT, path)).path == f"$.{path}"


@pytest.mark.parametrize("path", ["data.order", "data.order.id", "data.order.rev", "data.order.channel"])
def test_missing_field_of_a_cancel_is_named(path: str) -> None:
    """A cancel that does not say what it cancels is parked as well."""
    assert refused(changed(CANCEL, path)).path == f"$.{path}"


WRONG = [
    ("specversion", "0.3"),
    ("id", 7),
    ("id", ""),
    ("source", "x" * 501),
    ("type", "order.delete"),
    ("type", None),
    ("data", None),
    ("data", "text"),
    ("data.order.id", ""),
    ("data.order.id", 8812),
    ("data.order.rev", -1),
    ("data.order.rev", "1"),
    ("data.order.rev", True),
    ("data.order.rev", 1.5),
    ("data.order.rev", 10**30),
    ("data.order.items", {}),
    ("data.order.items", []),
    ("data.order.items[0].name", None),
    ("data.order.items[0].qty", None),
    ("data.order.items[0].qty", True),
    ("data.order.items[0].qty", 0.5),
]


@pytest.mark.parametrize(("path", "value"), WRONG)
def test_wrong_type_is_named(path: str, value: object) -> None:
    """What has the wrong type or is out of range is parked with its path."""
    assert refused(changed(UPSERT, path, value)).path == f"$.{path}"


OPTIONAL = [("rush", "yes"), ("guests", "two"), ("allergies", "花生"), ("customer", []), ("total", 7.5), ("note", 1)]


@pytest.mark.parametrize(("field", "value"), OPTIONAL)
def test_wrong_type_in_an_optional_field_is_named(field: str, value: object) -> None:
    """A field that is there must be sound: an allergy that can't be read must not go missing on paper."""
    assert refused(with_order(**{field: value})).path == f"$.data.order.{field}"


QUANTITIES = [
    ("2", True),
    (2, True),
    ("0.5", True),
    ("0", True),
    ("1234567.123456", True),
    ("12345678", False),
    (12345678, False),
    ("abc", False),
    ("", False),
    ("NaN", False),
    ("Infinity", False),
    ("1e5", False),
    ("-1", False),
    (-1, False),
    ("+1", False),
    (".5", False),
    ("2.", False),
    (" 2", False),
    ("2\n", False),
    ("1_000", False),
    ("２", False),
    ("1,5", False),
]


@pytest.mark.parametrize(("value", "sound"), QUANTITIES)
@pytest.mark.parametrize("where", ["", ".children[0]", ".mods[0]", ".children[0].mods[0]"])
def test_quantity_is_plain_digits(value: object, sound: bool, where: str) -> None:
    """It stands on paper as it came: plain ASCII digits with an optional point, at most seven before it."""
    mods = [{"name": "加热", "qty": 1}]
    item: dict[str, Any] = {**ITEM, "mods": mods, "children": [{**ITEM, "mods": mods}]}
    base = json.loads(with_order(items=[item]))
    path = f"data.order.items[0]{where}.qty"
    payload = changed(base, path, value)
    if sound:
        decode_event(payload)
    else:
        assert refused(payload).path == f"$.{path}"


def test_first_fault_is_named() -> None:
    """Of several bad quantities the first one is named."""
    bad = {"name": "x", "qty": "?"}
    assert refused(with_order(items=[ITEM, bad, bad])).path == "$.data.order.items[1].qty"


def attempt(payload: bytes, attributes: dict[str, str] | None = None) -> DecodeError | None:
    """The error that this payload is parked with; None when it is taken, and the ledger's copy says the same."""
    try:
        event, canonical = decode_event(payload, attributes)
    except DecodeError as exc:
        return exc
    assert event.data is None or msgspec.json.decode(canonical, type=type(event.data)) == event.data
    return None


def nested(depth: int) -> str:
    return "[" * depth + "]" * depth


@pytest.mark.parametrize(("depth", "sound"), [(30, True), (31, False), (2000, False), (100_000, False)])
def test_depth_is_limited(depth: int, sound: bool) -> None:
    """At most 32 levels, the event and its data among them; what is deeper does no harm."""
    payload = changed(UPSERT, "data.extra", "@").replace(b'"@"', nested(depth).encode())
    if sound:
        decode_event(payload)
    else:
        assert "deeper than 32" in refused(payload).reason


def test_size_is_limited() -> None:
    """256 KiB and not a byte more."""
    payload = json.dumps(UPSERT).encode()
    decode_event(payload.ljust(MAX_BYTES))
    assert "262145 bytes" in refused(payload.ljust(MAX_BYTES + 1)).reason


def many(items: int = 1, children: int = 0, mods: int = 0) -> bytes:
    parts = {"children": [ITEM] * children, "mods": [{"name": "x"}] * mods}
    return with_order(items=[{**ITEM, **parts}, *[ITEM] * (items - 1)])


def test_what_a_set_meal_says_is_not_kept_with_hundreds_of_parts() -> None:
    """A quarter of a megabyte would be more than the agent's memory, at each start again."""
    parts = [ITEM] * 400
    decode_event(with_order(items=[{**ITEM, "note": "x" * 2000, "children": parts}]))
    assert "say too much" in refused(with_order(items=[{**ITEM, "note": "x" * 100_000, "children": parts}])).reason


COUNTS = [((500, 0, 0), True), ((501, 0, 0), False), ((1, 499, 0), True), ((1, 500, 0), False)]
COUNTS += [((1, 0, 499), True), ((1, 0, 500), False), ((200, 200, 100), True), ((200, 200, 101), False)]


@pytest.mark.parametrize(("counts", "sound"), COUNTS)
def test_items_are_counted_with_parts_and_modifiers(counts: tuple[int, int, int], sound: bool) -> None:
    """An order has at most 500 items, parts of set meals and modifiers together."""
    if sound:
        decode_event(many(*counts))
    else:
        assert refused(many(*counts)).path == "$.data.order.items"


HOSTILE = [
    (b"", "not JSON"),
    (b"null", "must be an object, not null"),
    (b"[]", "must be an object, not a list"),
    (b'"\\ud800"', "half a character"),
    (b'{"a":1,}', "not JSON"),
    (b"{'a':1}", "not JSON"),
    (b"{} {}", "not JSON"),
    (b"\xff\xfe{\x00}\x00", "not UTF-8"),
    (b'{"id":"\xed\xa0\x80"}', "not UTF-8"),
    (b'{"id":"\xc0\xaf"}', "not UTF-8"),
    (b'{"id":"\x01"}', "not JSON"),
    (b'{"a":NaN}', "NaN is not JSON"),
    (b'{"a":Infinity}', "Infinity is not JSON"),
    (b'{"a":-Infinity}', "-Infinity is not JSON"),
    (b'{"a":1e999}', "too large"),
    (b'{"a":' + b"9" * 400 + b"}", "too large"),
    (b'{"a":' + b"9" * 5000 + b"}", "too large"),
    (b'{"a":{"b":[{"c":1,"d":2,"c":3}]}}', "'c' stands twice"),
    (b'{"a":{"\\u0062":1,"b":2}}', "'b' stands twice"),
    (b'{"a":"\\ud83d"}', "half a character"),
    (b'{"a":["\\udc00"]}', "half a character"),
    (b'{"a":{"\\ud83d":1}}', "a key holds half a character"),
    (b'{"a":"\\udc00\\ud83d"}', "half a character"),
]


@pytest.mark.parametrize(("payload", "reason"), HOSTILE)
def test_what_json_leaves_open_is_refused(payload: bytes, reason: str) -> None:
    """Two readers could take such a text for two different orders: nobody prints it."""
    assert reason in refused(payload).reason


def test_a_fault_deep_within_names_its_place() -> None:
    """Keys and indexes, from the top."""
    assert refused(b'{"data":{"a":[0,{"b":["\\ud83d"]}]}}').path == "$.data.a[1].b[0]"
    assert refused(b'{"\\u0061":[' + b"[" * 40 + b"]" * 40 + b"]}").path == "$.a" + "[0]" * 31


def test_a_long_name_above_many_lists_takes_no_memory() -> None:
    """220 KB were 4 GB when each place was written out; a broker would bring them again for ever."""
    payload = b'{"\\u0041":1,"' + b"a" * 100_000 + b'":[' + b",".join([b"[]"] * 40_000) + b"]}"
    tracemalloc.start()
    try:
        assert "specversion" in refused(payload).reason
        assert tracemalloc.get_traced_memory()[1] < 40_000_000
    finally:
        tracemalloc.stop()


def test_surrogate_pair_is_one_character() -> None:
    """An escaped pair is how JSON writes a character past the first plane."""
    event, _ = decode_event(with_order(note="🥟"))
    assert isinstance(event.data, Upsert)
    assert event.data.order.note == "🥟"


@pytest.mark.parametrize("data", [b'"\\ud800"', b'{"\\ud800":1}', b'["\\udfff"]'])
def test_data_of_binary_mode_is_examined_too(data: bytes) -> None:
    """A lone surrogate could not be written into the ledger, whatever the event is."""
    attributes = {"specversion": "1.0", "id": "1", "source": "s", "type": "ping"}
    assert "half a character" in refused(data, attributes).reason


def test_byte_order_mark_is_passed_over() -> None:
    """Some platforms put one before everything they send; RFC 8259 lets a reader ignore it."""
    payload = json.dumps(UPSERT).encode()
    assert decode_event(b"\xef\xbb\xbf" + payload) == decode_event(payload)


@pytest.mark.parametrize("number", [2**63 - 1, 1 - 2**63, 2**63, -(2**63), 10**25])
def test_a_number_is_read_alike_the_fast_and_the_slow_way(number: int) -> None:
    """An escape elsewhere in the event changes none."""
    fast, slow = (decode_tree(text % number) for text in (b'["A", %d]', b'["\\u0041", %d]'))
    assert repr(fast) == repr(slow)


@pytest.mark.parametrize("number", [2**63 - 1, 2**63, 10**25, -(10**25)])
def test_long_number_in_an_unknown_field_is_no_fault(number: int) -> None:
    """Unknown fields are ignored; the ledger must be able to hold them."""
    event, canonical = decode_event(with_order(trace=number, price_hint=1.5))
    assert msgspec.json.decode(canonical, type=Upsert) == event.data


SEQUENCES = [
    ("00000000000000000042", 42),
    ("42", 42),
    (42, 42),
    (0, 0),
    (None, None),
    (str(2**63 - 1), 2**63 - 1),
    (2**63, None),
    (-1, None),
    ("-1", None),
    ("4.2", None),
    (4.2, None),
    (True, None),
    ("", None),
    ("٤٢", None),
    ("2026-11-22T07:31", None),
    ("9" * 5000, None),
    ([], None),
]


@pytest.mark.parametrize(("value", "number"), SEQUENCES)
def test_sequence_that_is_no_number_does_not_count(value: object, number: int | None) -> None:
    """The order is worth more than its place: it is taken, only gaps can't be seen then."""
    assert decode_event(changed(UPSERT, "sequence", value))[0].sequence == number


@pytest.mark.parametrize(
    "value", ["yesterday", 1700000000, "2026-11-22", "2026-02-30T07:00:00Z", "0001-01-01T00:00:00"]
)
@pytest.mark.parametrize("field", ["placed_at", "due_at", "release_at", "expires_at"])
def test_unreadable_time_goes_into_the_note(field: str, value: object) -> None:
    """An order is not kept from the kitchen by a time: what was written there is printed, year 1 means none."""
    event, canonical = decode_event(with_order(note="少辣", **{field: value}))
    assert isinstance(event.data, Upsert)
    assert getattr(event.data.order, field) is None
    expected = "少辣" if value == "0001-01-01T00:00:00" else f"少辣; {field}: {value}"
    assert event.data.order.note == expected
    assert msgspec.json.decode(canonical, type=Upsert) == event.data


def test_unreadable_time_keeps_the_digest_apart() -> None:
    """The digest is that of the data as it came: other words are other content."""
    digests = {decode_event(with_order(due_at=value))[0].digest for value in ("soon", "later", None)}
    assert len(digests) == 3


@pytest.mark.parametrize("value", ["soon", 5, None, "0001-01-01T00:00:00", [], "9999-12-31T23:59:59-12:00"])
def test_unreadable_event_time_is_none(value: object) -> None:
    """The time of an event only helps to judge its age."""
    assert decode_event(changed(UPSERT, "time", value))[0].time is None


def test_same_content_has_one_digest() -> None:
    """Key order, white space and escapes are no content; type and values are."""
    event, canonical = decode_event(json.dumps(UPSERT).encode())
    backwards = json.dumps(dict(reversed(UPSERT.items())), indent=3, ensure_ascii=False, sort_keys=True).encode()
    again, canonical_again = decode_event(backwards)
    assert (event.digest, canonical) == (again.digest, canonical_again)
    assert decode_event(with_order(note="少辣"))[0].digest != event.digest
    assert decode_event(changed(UPSERT, "type", "ping"))[0].digest != event.digest
    assert decode_event(changed(UPSERT, "id", "e2"))[0].digest == event.digest


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(codec=None), max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["order", "id", "items", "qty", "due_at", "note", "x\ud800"]), inner, max_size=5
        )
    ),
    max_leaves=12,
)


@given(st.binary(max_size=200))
def test_random_bytes_never_do_harm(payload: bytes) -> None:
    """Whatever comes, it is an event or a DecodeError."""
    for attributes in (None, {"specversion": "1.0", "id": "1", "source": "s", "type": "ping"}):
        attempt(payload, attributes)


@settings(max_examples=200)
@given(
    JSON, st.sampled_from(["", "data", "data.order", "data.order.items", "data.order.items[0].qty", "time", "sequence"])
)
def test_random_json_anywhere_never_does_harm(value: object, path: str) -> None:
    """Whatever stands in a field, it is an event that the ledger can hold and read again, or a DecodeError."""
    payload = changed(UPSERT, path, value) if path else json.dumps(value).encode()
    fault = attempt(payload)
    assert fault is None or (fault.path + fault.reason).encode()


ORDERS: st.SearchStrategy[dict[str, Any]] = st.builds(
    dict,
    id=st.text(st.characters(codec="utf-8"), min_size=1, max_size=8),
    rev=st.integers(0, 2**53),
    channel=st.just("c"),
    items=st.lists(st.builds(dict, name=st.text(max_size=5), qty=st.integers(0, 999)), min_size=1, max_size=3),
    total=st.integers(),
    due_at=st.none() | st.text(max_size=8) | st.datetimes().map(str),
    note=st.none() | st.text(max_size=5),
)


@given(ORDERS)
def test_what_was_taken_can_be_read_again(order: dict[str, Any]) -> None:
    """The printers read the ledger's copy: it says what was judged."""
    fault = attempt(json.dumps({**UPSERT, "data": {"order": order}}).encode())
    assert fault is None or fault.path == "$.data.order.total"  # past 64 bits


NULLS: list[dict[str, Any]] = [
    *({name: None} for name in ("allergies", "fees", "discounts", "rush", "note", "customer", "release_at")),
    {"customer": {"name": None, "member": {"level": None}}},
    {"items": [{**ITEM, "mods": None, "children": None, "note": None}]},
    {"items": [{**ITEM, "mods": [{"name": "加热", "qty": None, "price": None}]}]},
    {"items": [{**ITEM, "children": [{**ITEM, "mods": None, "children": [{**ITEM, "children": None}]}]}]},
]


def without_nulls(tree: Any) -> Any:
    if isinstance(tree, dict):
        return {key: without_nulls(value) for key, value in tree.items() if value is not None}
    return [without_nulls(value) for value in tree] if isinstance(tree, list) else tree


@pytest.mark.parametrize("fields", NULLS)
def test_null_is_a_field_that_is_not_there(fields: dict[str, Any]) -> None:
    """As serializers write it; the digest is that of the data as it came."""
    event, canonical = decode_event(with_order(**fields))
    same, _ = decode_event(with_order(**without_nulls(fields)))
    assert event.data == same.data
    assert event.digest != same.digest
    assert msgspec.json.decode(canonical, type=Upsert) == event.data


def test_nulls_of_ready_made_content_and_of_a_cancel() -> None:
    """They take their defaults as well."""
    raw = {"dialect": "feie", "content": "x", "copies": None, "station": None}
    event, _ = decode_event(json.dumps({**UPSERT, "type": "print.raw", "data": {"raw": raw}}).encode())
    assert isinstance(event.data, PrintRaw)
    assert event.data.raw.copies == 1
    decode_event(changed(CANCEL, "data.reason", None))


@pytest.mark.parametrize("path", ["data.order.items[0].mods[0].name", "data.order.items[0].children[0].qty"])
def test_null_where_something_must_be_is_named(path: str) -> None:
    """A dish without a name or a number can't be cooked."""
    item = {**ITEM, "mods": [{"name": "加热"}], "children": [ITEM]}
    error = refused(changed(json.loads(with_order(items=[item])), path, None))
    assert error.path == f"$.{path}"
    assert "is missing" in error.reason


@pytest.mark.parametrize(
    ("attributes", "flaws"),
    [
        ({"sequence": "7a"}, ['sequence "7a" can\'t be counted']),
        ({"time": "yesterday"}, ['time "yesterday" is no RFC 3339 time']),
        ({"sequence": -1, "time": {"a": 1}}, ["sequence -1", 'time {"a":1}']),
        ({"sequence": 42, "time": "2026-11-22T07:31:05+08:00"}, []),
        ({"sequence": None, "time": None}, []),
        ({"sequence": "x" * 5000}, ["…"]),
    ],
)
def test_what_guards_nothing_because_it_can_not_be_read_is_said(attributes: dict[str, Any], flaws: list[str]) -> None:
    """Not worth an order's paper, but worth a word to the integrator: a gap, or an age, that nobody will see."""
    event, _ = decode_event(json.dumps({**UPSERT, **attributes}).encode())
    assert len(event.flaws) == len(flaws)
    assert all(wanted in said and len(said) < 150 for wanted, said in zip(flaws, event.flaws, strict=True))


class _Nested(msgspec.Struct):
    inner: list[Settle | None]
    number: int | None = None
    many: Annotated[list[Pick], msgspec.Meta(max_length=2)] = []


@pytest.mark.parametrize(
    ("tree", "path", "words"),
    [
        (
            {"inner": [{"decision": "print"}]},
            "$.inner[0].decision",
            "'print' is not possible; there is printed, again, discard",
        ),
        (
            {"inner": [], "many": [{"why": "x"}]},
            "$.many[0].why",
            "'x' is not possible; there is old, flood, failed, upcoming, gap",
        ),
        ({"inner": [{}]}, "$.inner[0].decision", "the field `decision` is missing"),
        ({"inner": [], "number": 1.5}, "$.number", "must be a whole number, not a number with decimals"),
        ({"inner": [], "number": "1"}, "$.number", "must be a whole number, not text"),
        ({"inner": [{"decision": "again", "ticket": 0}]}, "$.inner[0].ticket", "must be a whole number, at least 1"),
        ({"inner": {}}, "$.inner", "must be a list, not an object"),
        ({"inner": [], "many": [{}] * 3}, "$.many", "must be a list of at most 2 members"),
        ([], "$", "must be an object, not a list"),
    ],
)
def test_faults_are_said_in_the_words_of_json(tree: Any, path: str, words: str) -> None:
    """Not in a programming language's; with the choices where there are some."""
    with pytest.raises(DecodeError) as caught:
        convert(tree, _Nested, "$")
    assert (caught.value.path, caught.value.reason) == (path, words)


NEVER = ["0001-01-01T00:00:00", "1970-01-01T00:00:00Z", "1970-01-01T08:00:00+08:00", "1969-12-31T19:00:00-05:00", "", 0]


@pytest.mark.parametrize("value", NEVER)
@pytest.mark.parametrize("field", ["placed_at", "due_at", "release_at", "expires_at"])
def test_what_platforms_write_for_no_time_is_none(field: str, value: object) -> None:
    """Year 1, and second 0 of Unix, wherever that is: neither a time nor worth a note."""
    event, _ = decode_event(with_order(note="少辣", **{field: value}))
    assert isinstance(event.data, Upsert)
    assert (getattr(event.data.order, field), event.data.order.note) == (None, "少辣")
    assert decode_event(changed(UPSERT, "time", value))[0].time is None


BLANKS = st.text(" \t\r\n", max_size=2)
TEXTS = st.text('a:" \\\n', max_size=4).map(json.dumps)


@given(st.lists(st.tuples(st.sampled_from("abcd"), BLANKS, BLANKS, TEXTS, BLANKS), max_size=5))
def test_a_key_that_stands_twice_is_found_whatever_stands_around_it(parts: list[tuple[str, ...]]) -> None:
    """Blanks before and after a colon, and texts that look like a key, hide no second one; nor make one of none."""
    written = ",".join(f'{end}"{key}"{before}:{after}{text}{end}' for key, before, after, text, end in parts)
    keys = [key for key, *_ in parts]
    payload = f'{{{written},"specversion":"2.0","id":"e","source":"s","type":"t"}}' if parts else "{}"
    reason = refused(payload.encode()).reason
    assert ("stands twice" in reason) == (len(set(keys)) < len(keys))


def test_a_key_that_stands_twice_among_thousands_is_found_at_once() -> None:
    """Whoever may publish could stall the journal otherwise: 29,000 keys took eight seconds."""
    keys = ",".join(f'"{number:x}":0' for number in range(29_000))
    began = time.process_time()
    with pytest.raises(DecodeError, match="stands twice"):
        decode_event(f'{{{keys},"{28_999:x}":0}}'.encode())
    assert time.process_time() - began < 4
