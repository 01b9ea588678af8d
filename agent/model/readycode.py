"""The number in the barcode at the foot of a kitchen's ticket: who scans it says that this is finished. Pure.

It is made of what the ticket is for and of nothing that is lost with a journal, so that paper from before still holds
once the cloud has sent its orders again. Digits, because a scanner types those alike in every keyboard layout and past
every input method; in pairs from 32 to 98, which Code 128 says in eight characters and any printer takes as bytes.
"""

import hashlib

import msgspec

_LEAST, _BASE, _PAIRS = 32, 67, 7
"""67 is prime: the check pair notices each wrong pair and each two that changed places."""


def ready_code(channel: str, order_id: str, station: str, rev: int) -> str:
    """16 digits for what a station makes of an order at a revision; the last two are a check."""
    said = msgspec.json.encode((channel, order_id, station, rev))
    number = int.from_bytes(hashlib.blake2b(said, digest_size=8).digest(), "big")
    pairs = []
    for _ in range(_PAIRS):
        number, pair = divmod(number, _BASE)
        pairs.append(pair)
    return "".join([str(_LEAST + pair) for pair in (*pairs, _check(pairs))])


def is_ready_code(text: str) -> bool:
    """Can this be such a number? Another barcode of the shop is none."""
    if len(text) != 2 * (_PAIRS + 1) or not (text.isascii() and text.isdigit()):
        return False
    pairs = [int(text[at : at + 2]) - _LEAST for at in range(0, len(text), 2)]
    return all(0 <= pair < _BASE for pair in pairs) and pairs[-1] == _check(pairs[:-1])


def _check(pairs: list[int]) -> int:
    return sum(place * pair for place, pair in enumerate(pairs, 1)) % _BASE
