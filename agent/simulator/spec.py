"""Which printer is played: what it answers, how big and how fast it is."""

from typing import Literal

import msgspec

ORDINARY_LINE_S = 0.015
"""250 mm a second, as an ordinary thermal printer: what is to pass for a printer needs time for its paper."""


class PrinterSpec(msgspec.Struct, frozen=True, kw_only=True):
    """An ordinary fast network printer that answers everything, where nothing else is said.

    `tier` 1 echoes process IDs, 2 answers GS r only, 3 never says a word. `realtime` is DLE EOT; with
    `margin_bytes` 0 it falls silent when the buffer is full, as USB and network printers may. `bytes_per_s`
    is the wire (19200 baud 8N1 is 1920), `line_time_s` the paper. `reserve_replies`: a process ID whose host
    is gone is kept for the next connection. `counters_lag`: after a power cut the counters forget what was not
    saved (`save_counters`), so they only under-report. `knife_dots`: see Paper; a TM needs about 100.
    Without `prints_qr` or `prints_barcodes` it doesn't know those commands, and prints their bytes as cheap clones do.
    `language` star is Star Line Mode, where `tier` 1 knows the document counter; `framed` wraps its answers as Star's
    network boards do.
    """

    language: Literal["escpos", "star"] = "escpos"
    framed: bool = False
    tier: int = 1
    realtime: bool = True
    asb: bool = True
    counters: bool = True
    counters_lag: bool = False
    reserve_replies: bool = True
    clear_buffer: bool = True
    width_dots: int = 576
    kanji: bool = True
    prints_qr: bool = True
    prints_barcodes: bool = True
    knife_dots: int = 0
    buffer_bytes: int = 65536
    margin_bytes: int = 4096
    bytes_per_s: float | None = None
    line_time_s: float = 0.0
    cuts_on_cover_close: bool = False
    firmware: str = "1.00 VP"
    maker: str = "SHOP-AGENT"
    model: str = "VIRTUAL-80"
    serial: str = "VP000001"

    @property
    def cells(self) -> int:
        """Single-byte characters on a line: 48 on 80 mm paper, 32 on 58 mm."""
        return self.width_dots // 12
