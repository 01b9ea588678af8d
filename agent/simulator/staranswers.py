"""What a Star printer says: status, and how many documents it has printed. From Star's specifications, rev. 1.12.

Documented: every byte of the status (appendix 2), the answer `1B 1D 03 s n1 n2 counter 00`, that with s 1 it comes when
the motor has stopped, and how a network board wraps answers (5.2.4). Guessed: that Length is sent high byte first, as
it is printed there; that losing power clears the counter; that nothing is kept for a host that is gone.
"""

from collections.abc import Iterator

from agent.simulator import stargrammar
from agent.simulator.faults import Reply
from agent.simulator.realtime import Found
from agent.simulator.responder import Say
from agent.simulator.spec import PrinterSpec
from agent.simulator.stargrammar import ASK_STATUS, BARCODE, DOCUMENT, ENQ, EOT, LEADS, PICTURE, QR, RESET, measure
from agent.simulator.status import Sensors

_HEADER, _VERSION, _FRAMED = 0x23, 0x06, 0x80
"""Nine bytes in all, version 3 of the status (TSP650, TSP700II and later), and: a Length follows."""

_READ, _PRINTED, _CLEAR = 0, 1, 2
_CAUSES = {ENQ: b"01", EOT: b"02", DOCUMENT: b"20"}


def automatic(sensors: Sensors, etb: int, etb_done: bool) -> bytes:
    """ASB: two headers and seven bytes of status. ETB's counter has five bits, in bits 6, 5, 3, 2 and 1."""
    state = 0x20 * sensors.cover_open | 0x08 * sensors.offline | 0x04 * sensors.drawer_high | 0x02 * etb_done
    error = 0x20 * sensors.unrecoverable | 0x08 * sensors.cutter_jam
    paper = 0x08 * sensors.paper_out | 0x04 * (sensors.paper_low or sensors.paper_out)
    counted = (etb & 0x18) << 2 | (etb & 0x07) << 1
    return bytes((_HEADER, _VERSION, state, error, 0, paper, 0, counted, 0))


def enquired(sensors: Sensors) -> bytes:
    """The answer to ENQ. Bit 5, the receive buffer is empty, is not played."""
    errors = sensors.cover_open or sensors.unrecoverable
    return bytes((0x80 * sensors.drawer_high | 0x08 * sensors.paper_out | 0x04 * errors,))


def paper_status(sensors: Sensors) -> bytes:
    """The answer to EOT."""
    low = sensors.paper_low or sensors.paper_out
    return bytes((0x10 | 0x80 * sensors.drawer_high | 0x08 * sensors.paper_out | 0x04 * low,))


class StarResponder:
    """Commands that are answered and not printed. `tier` 1 knows the document counter, 2 and 3 only status."""

    def __init__(self, spec: PrinterSpec, sensors: Sensors, say: Say) -> None:
        self._spec, self._sensors, self._say = spec, sensors, say
        self.documents = 0
        self._automatic = False
        self._etb, self._etb_done = 0, False

    def obey(self, key: bytes, params: bytes) -> None:
        """A command whose turn in the buffer has come: everything before it is on paper."""
        match key:
            case stargrammar.DOCUMENT if self._spec.tier == 1:
                self._document(params)
            case stargrammar.ETB:
                self._etb, self._etb_done = (self._etb + 1) % 32, True
                self._send_automatic()
            case stargrammar.CLEAR_ETB:
                self._etb, self._etb_done = 0, False
            case stargrammar.SEND_STATUS:
                self._automatic = bool(params[0] & 1)

    def realtime(self, key: bytes) -> bool:
        """ESC ACK SOH, ENQ, EOT; False where the machine must see to it."""
        if key not in (ASK_STATUS, ENQ, EOT):
            return False
        if self._spec.realtime:
            if key == ASK_STATUS:
                self._say(Reply.ASB, self._framed(b""))
            else:
                status = enquired(self._sensors) if key == ENQ else paper_status(self._sensors)
                self._answer(Reply.REALTIME, key, status)
        return True

    def greet(self) -> None:
        """A host connected: a network board tells the status unasked (NSB)."""
        if self._spec.framed:
            self._say(Reply.ASB, self._framed(b""))

    def sensed(self, _before: bytes, _was_offline: bool) -> None:
        """The sensors changed."""
        self._send_automatic()

    def forget(self) -> None:
        """Power was cut."""
        self.documents = self._etb = 0
        self._automatic = self._etb_done = False

    def _document(self, params: bytes) -> None:
        """ESC GS ETX s n1 n2. 3 and 4 (start, end of a document: drop data after an error) are not played."""
        if params[0] == _PRINTED:
            self.documents = (self.documents + 1) % 256
        elif params[0] == _CLEAR:
            self.documents = 0
        if params[0] in (_READ, _PRINTED):
            self._answer(Reply.DOCUMENT, DOCUMENT, DOCUMENT + params + bytes((self.documents, 0)))

    def _send_automatic(self) -> None:
        if self._automatic:
            self._say(Reply.ASB, self._framed(b""))

    def _answer(self, reply: Reply, cause: bytes, data: bytes) -> None:
        if self._spec.framed:
            data = self._framed(_CAUSES[cause] + b":B" + len(data).to_bytes(2, "big") + data + b";")
        self._say(reply, data)

    def _framed(self, data: bytes) -> bytes:
        """The status; before whatever a network board sends, with bit 7 of its second byte set and Length after it."""
        status = automatic(self._sensors, self._etb, self._etb_done)
        self._etb_done = False
        if not self._spec.framed:
            return status
        return status[:1] + bytes((status[1] | _FRAMED,)) + status[2:] + len(data).to_bytes(2, "big") + data


class StarScanner:
    """Finds what a Star obeys on arrival. One byte is enough for ENQ and EOT, so commands are followed to their ends.

    Whether ESC ACK is obeyed inside a picture or a code is documented nowhere: here it is, as the worse case.
    """

    def __init__(self, width_dots: int) -> None:
        self._width_bytes = width_dots // 8
        self._tail = b""

    def scan(self, data: bytes) -> Iterator[Found]:
        """The commands that are complete with `data`, in order."""
        held = len(self._tail)
        work, self._tail = self._tail + data, b""
        pos = 0
        while pos < len(work):
            if work[pos] not in LEADS:
                if work[pos : pos + 1] in (ENQ, EOT):
                    yield max(0, pos + 1 - held), work[pos : pos + 1], b""
                pos += 1
                continue
            key, end = measure(work, pos, self._width_bytes)
            if end > len(work):
                self._tail = work[pos:]
                return
            if key in (ASK_STATUS, RESET):
                yield max(0, end - held), key, b""
            elif key in (PICTURE, QR, BARCODE):
                yield from ((max(0, end - held), found, b"") for found in _hidden(work[pos:end]))
            pos = end

    def reset(self) -> None:
        """Power was cut: forget half a command."""
        self._tail = b""


def _hidden(data: bytes) -> list[bytes]:
    return [command for command in (ASK_STATUS, RESET) if command in data]
