"""Families of printers, as far as documents tell: language, knife, buzzer, drawer, widths.

Nothing here is evidence. Whether a printer confirms is found by asking it, and a name is only a hint: a clone may call
itself by another's. What no document says stays at the safe default, as an unknown command leaks text onto paper.
"""

import re
from typing import Literal

import msgspec

KNIFE_FEED = 4
"""Lines fed before a cut: printers that ignore the feed of the cut itself would cut through the last line."""


class Pulse(msgspec.Struct, frozen=True):
    """What opens a cash drawer: which pin of its plug, and for how long the current flows and rests."""

    pin: Literal[2, 5] = 2
    on_ms: int = 100
    off_ms: int = 200


class Profile(msgspec.Struct, frozen=True, kw_only=True):
    """One family. `widths` are the usual ones in cells of 12 dots; `knife_feed` is in lines.

    `buzzer`: `esc_b` is ESC B n t, `esc_paren_a` is ESC ( A function 97. `clears_buffer`: DLE DC4 8 drops what was
    not printed. `star_counter`: the question for evidence is Star's document counter. `prints_qr`, `prints_barcodes`:
    it draws them itself.
    """

    name: str
    language: Literal["escpos", "star"] = "escpos"
    charset: Literal["gbk", "gb2312"] = "gbk"
    widths: tuple[int, ...] = (48, 32)
    knife_feed: int = KNIFE_FEED
    cut: Literal["partial", "full"] = "partial"
    buzzer: Literal["none", "esc_b", "esc_paren_a"] = "none"
    drawer: Pulse | None = None
    clears_buffer: bool = False
    star_counter: bool = False
    prints_qr: bool = False
    prints_barcodes: bool = False


GENERIC = Profile(name="generic")
"""Any ESC/POS printer of which nothing is known."""

_FAMILIES = (
    GENERIC,
    # Epson's ESC/POS reference: GS V 66 feeds to the knife itself, ESC p, DLE DC4 8; python-escpos' data: QR, barcodes,
    # 576 and 512 dots. Which of ESC ( A's functions a model has differs, but all of them skip what they lack.
    Profile(
        name="epson",
        widths=(48, 42),
        knife_feed=1,
        buzzer="esc_paren_a",
        drawer=Pulse(),
        clears_buffer=True,
        prints_qr=True,
        prints_barcodes=True,
    ),
    # Xprinter's SDK for phones (PosCommand): ESC B n t with t of 50 ms, ESC p, GS ( k.
    Profile(name="xprinter", buzzer="esc_b", drawer=Pulse(), prints_qr=True, prints_barcodes=True),
    # Gprinter's SDK for Android (EscCommand): ESC B n t with t of 50 ms, ESC p, GS ( k.
    Profile(name="gprinter", buzzer="esc_b", drawer=Pulse(), prints_qr=True, prints_barcodes=True),
    # HPRT's TP80K programming manual, chapters 12 and 13: ESC p, and ESC ( A function 97 as the only buzzer.
    Profile(name="hprt", buzzer="esc_paren_a", drawer=Pulse()),
    # Rongta's RP80 command set has no buzzer and only DLE DC4 1; python-escpos' RP326: ESC p, QR, barcodes.
    Profile(name="rongta", drawer=Pulse(), prints_qr=True, prints_barcodes=True),
    # Star's Line Mode specification, rev. 1.12: ESC d 2 and 3 feed to the knife themselves, ESC BEL starts at 200 ms.
    # It has no buzzer here: the command drives the drawer's socket, and the manual warns that a drawer may burn.
    Profile(
        name="star",
        language="star",
        knife_feed=1,
        drawer=Pulse(on_ms=200, off_ms=200),
        star_counter=True,
        prints_qr=True,
        prints_barcodes=True,
    ),
)

PROFILES = {profile.name: profile for profile in _FAMILIES}

# Clones come first: an XP-S260M says that it is Epson's TM-T88III, but no Epson says that it is an XP.
_HINTS = (
    ("xprinter", r"xprinter|\bxp-|芯烨"),
    ("gprinter", r"gprinter|\bgp-|佳博"),
    ("hprt", r"\bhprt\b|汉印"),
    ("rongta", r"rongta|\brp(80|32\d|33\d)|容大"),
    ("star", r"\bstar\b|\btsp\d|\bmc-print|\bmcp\d|\bsp7\d\d"),
    ("epson", r"epson|\btm-"),
)
_VENDORS = {0x04B8: "epson", 0x0519: "star"}


def suggest(maker: str, model: str, usb_vid: int | None = None) -> str:
    """The name of the profile that a person should be shown first; `generic` where nothing points to one.

    A hint, never decisive: `maker` and `model` are what a printer says of itself, and clones lie.
    """
    words = f"{maker} {model}".casefold()
    for name, pattern in _HINTS:
        if re.search(pattern, words):
            return name
    return _VENDORS.get(usb_vid or 0, "generic")


def suggest_width(model: str) -> int:
    """Cells a line where a printer's name tells its paper: 32 for one that says 58, 48 for 80, else 0. A hint, too."""
    found = re.search(r"(?<!\d)(58|80)(?:\d{3})?(?!\d)", model)
    return 0 if found is None else {"58": 32, "80": 48}[found[1]]
