"""The printer's sensors and the bytes that tell of them: DLE EOT, GS r, ESC u/v and automatic status (ASB)."""

from msgspec import Struct


class Sensors(Struct):
    """What the machine feels. Paper end, an open cover and a jam stop it; a low roll does not."""

    paper_low: bool = False
    paper_out: bool = False
    cover_open: bool = False
    cutter_jam: bool = False
    unrecoverable: bool = False
    feed_pressed: bool = False
    switched_offline: bool = False
    drawer_high: bool = False

    @property
    def offline(self) -> bool:
        """It takes bytes into its buffer but does not print."""
        return self.paper_out or self.cover_open or self.failed or self.feed_pressed or self.switched_offline

    @property
    def failed(self) -> bool:
        """An error that is not paper or cover."""
        return self.cutter_jam or self.unrecoverable


def realtime(sensors: Sensors, n: int) -> int:
    """The byte 0xx1xx10 that answers DLE EOT n, for n 1 to 4; other sheets answer as if all is well."""
    bits = 0x12
    match n:
        case 1:
            bits |= 0x04 * sensors.drawer_high | 0x08 * sensors.offline | 0x40 * sensors.feed_pressed
        case 2:
            bits |= 0x04 * sensors.cover_open | 0x08 * sensors.feed_pressed
            bits |= 0x20 * sensors.paper_out | 0x40 * sensors.failed
        case 3:
            bits |= 0x08 * sensors.cutter_jam | 0x20 * sensors.unrecoverable
        case 4:
            bits |= 0x0C * (sensors.paper_low or sensors.paper_out) | 0x60 * sensors.paper_out
    return bits


def automatic(sensors: Sensors) -> bytes:
    """The four bytes of ASB (GS a)."""
    first = 0x10 | 0x04 * sensors.drawer_high | 0x08 * sensors.offline
    first |= 0x20 * sensors.cover_open | 0x40 * sensors.feed_pressed
    second = 0x08 * sensors.cutter_jam | 0x20 * sensors.unrecoverable
    return bytes((first, second, paper_byte(sensors), 0))


ASB_GROUPS = ((0x01, 0, 0x04), (0x02, 0, 0x28), (0x04, 1, 0x2C), (0x08, 2, 0x0F), (0x40, 0, 0x40))
"""GS a n: a bit of n, and which bits of which ASB byte make the printer send when they change."""


def asb_wanted(mask: int, before: bytes, after: bytes) -> bool:
    """Does a change concern a host that enabled `mask` with GS a?"""
    return any(mask & bit and (before[at] ^ after[at]) & bits for bit, at, bits in ASB_GROUPS)


def paper_byte(sensors: Sensors) -> int:
    """The answer to GS r 1 and ESC v, and ASB's third byte: 03h near end, 0Ch end."""
    return 0x03 * (sensors.paper_low or sensors.paper_out) | 0x0C * sensors.paper_out
