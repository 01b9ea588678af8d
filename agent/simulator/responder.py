"""What the machine answers to which command, from the manuals: status, process IDs, counters, identity."""

from collections.abc import Callable

from agent.simulator.faults import Reply
from agent.simulator.paper import Paper
from agent.simulator.spec import PrinterSpec
from agent.simulator.status import Sensors, asb_wanted, automatic, paper_byte, realtime

Say = Callable[[Reply, bytes], None]


class Counters:
    """GS g: lines 20/148, heads 21/149, cuts 50/178, hours 70/198; the lower numbers can be reset by the host."""

    def __init__(self, paper: Paper) -> None:
        self._paper = paper
        self._lost = {148: 0, 178: 0}
        self._saved = {148: 0, 178: 0}
        self._zero = {148: 0, 178: 0}

    def value(self, number: int) -> int | None:
        """A counter as GS g 2 tells it, or None where there is no such counter."""
        match number:
            case 148 | 149:
                return self._total(148)
            case 178:
                return self._total(178)
            case 20 | 21:
                return self._total(148) - self._zero[148]
            case 50:
                return self._total(178) - self._zero[178]
            case 70 | 198:
                return 1
            case _:
                return None

    def reset(self, number: int) -> None:
        """GS g 0: set a resettable counter to zero."""
        which = {20: 148, 21: 148, 50: 178}.get(number)
        if which is not None:
            self._zero[which] = self._total(which)

    def save(self) -> None:
        """Write them to the memory that survives a power cut, as some models do every few minutes."""
        self._saved = {which: self._total(which) for which in self._saved}

    def fall_back(self) -> None:
        """Power was cut before they were saved: they under-report from now on."""
        for which, saved in self._saved.items():
            self._lost[which] += self._total(which) - saved
            self._zero[which] = min(self._zero[which], saved)

    def _total(self, which: int) -> int:
        counted = self._paper.cuts if which == 178 else self._paper.line_feeds
        return counted - self._lost[which]


class Responder:
    """Commands that are answered and not printed. Keeps what was switched on: ASB, the offline response."""

    def __init__(self, spec: PrinterSpec, sensors: Sensors, counters: Counters, say: Say) -> None:
        self._spec, self._sensors, self._counters, self._say = spec, sensors, counters, say
        self._asb_mask = 0
        self._offline_mode = 0
        self._answers: dict[bytes, Callable[[bytes], None]] = {
            b"\x1b@": lambda _: self._asb_off(),
            b"\x1da": self._enable_asb,
            b"\x1dr": self._status,
            b"\x1bv": lambda _: self._status(b"\x01"),
            b"\x1bu": lambda _: self._status(b"\x02"),
            b"\x1dI": self._identity,
            b"\x1dg0": self._reset_counter,
            b"\x1dg2": self._counter,
            b"\x1d(H": self._response_request,
        }

    def obey(self, key: bytes, params: bytes) -> None:
        """A command whose turn in the buffer has come: everything before it is on paper."""
        answer = self._answers.get(key)
        if answer is not None:
            answer(params)

    def realtime(self, key: bytes) -> bool:
        """DLE EOT n; False where the machine must see to it."""
        if key[:2] != b"\x10\x04":
            return False
        if self._spec.realtime:
            self._say(Reply.REALTIME, bytes((realtime(self._sensors, key[2]),)))
        return True

    def greet(self) -> None:
        """A host connected: nothing is said unasked."""

    def sensed(self, before: bytes, was_offline: bool) -> None:
        """The sensors changed; `before` is what ASB told until now."""
        after = automatic(self._sensors)
        if asb_wanted(self._asb_mask, before, after):
            self._say(Reply.ASB, after)
        if self._offline_mode and self._sensors.offline and not was_offline:
            self._say(Reply.OFFLINE, b"\x37\x23" + self._cause() + b"\0")

    def forget(self) -> None:
        """Power was cut: what hosts switched on is off."""
        self._asb_mask = self._offline_mode = 0

    def _asb_off(self) -> None:
        self._asb_mask = 0

    def _enable_asb(self, params: bytes) -> None:
        self._asb_mask = params[0] if self._spec.asb else 0
        if self._asb_mask:
            self._say(Reply.ASB, automatic(self._sensors))

    def _status(self, params: bytes) -> None:
        if self._spec.tier > 2:
            return
        match params[0]:
            case 1 | 49:
                self._say(Reply.STATUS, bytes((paper_byte(self._sensors),)))
            case 2 | 50:
                self._say(Reply.STATUS, bytes((int(self._sensors.drawer_high),)))
            case 4 | 52:
                self._say(Reply.STATUS, b"\0")

    def _response_request(self, params: bytes) -> None:
        """GS ( H pL pH fn m d...: fn 48 echoes four characters 20h-7Eh, fn 49 switches the offline response."""
        function, rest = params[2:3], params[4:]
        if self._spec.tier != 1 or params[3:4] != b"0":
            return
        if function == b"0" and len(rest) == 4 and all(0x20 <= byte <= 0x7E for byte in rest):
            self._say(Reply.PROCESS_ID, b"\x37\x22" + rest + b"\0")
        elif function == b"1" and len(rest) == 1:
            self._offline_mode = rest[0] % 48 if rest[0] % 48 <= 2 else self._offline_mode

    def _cause(self) -> bytes:
        """With fn 49 d 2 the answer names a cause: 40h-7Fh, model-dependent, so the bits are ours."""
        if self._offline_mode != 2:
            return b""
        return b"\x41" if self._sensors.cover_open else b"\x42" if self._sensors.paper_out else b"\x44"

    def _counter(self, params: bytes) -> None:
        value = self._counters.value(int.from_bytes(params[1:3], "little"))
        if self._spec.counters and params[0] == 0 and value is not None:
            self._say(Reply.COUNTER, b"\x5f" + str(value).encode() + b"\0")

    def _reset_counter(self, params: bytes) -> None:
        self._counters.reset(int.from_bytes(params[1:3], "little"))

    def _identity(self, params: bytes) -> None:
        names = (self._spec.firmware, self._spec.maker, self._spec.model, self._spec.serial, "CHINA GB18030")
        if 65 <= params[0] <= 69:
            self._say(Reply.IDENTITY, b"\x5f" + names[params[0] - 65].encode("ascii") + b"\0")
        elif params[0] in (1, 49, 2, 50, 3, 51):
            self._say(Reply.IDENTITY, bytes(({1: 0x20, 2: 0x03, 3: 0x01}[params[0] % 48],)))
