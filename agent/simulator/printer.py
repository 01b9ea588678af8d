"""The virtual printer: the machine, and what people, accidents and power cuts do to it.

with VirtualPrinter() as printer, serve_tcp(printer) as port:
    ...                                   # print to port.link
    printer.wait_for(lambda p: len(p.paper.pieces) == 1, 5)
"""

from agent.simulator.faults import Reply, ReplyFault, Trouble
from agent.simulator.machine import Machine
from agent.simulator.spec import PrinterSpec

__all__ = ["PrinterSpec", "Reply", "Trouble", "VirtualPrinter"]


class VirtualPrinter(Machine):
    """A printer on command. Every method acts at once and may be called from any thread."""

    # --- people --------------------------------------------------------------------------------------------------

    def run_out_of_paper(self, after_lines: int = 0) -> None:
        """The roll ends now, or after so many more line feeds: in the middle of a ticket if need be."""
        with self._change():
            self._lines_left = after_lines or None
            if not after_lines:
                self._sense(paper_out=True)

    def load_paper(self) -> None:
        """A new roll: the printer goes on with what its buffer held."""
        with self._change():
            self._lines_left = None
            self._sense(paper_out=False, paper_low=False)

    def set_paper_low(self, low: bool = True) -> None:
        """The roll is near its end; printing goes on."""
        with self._change():
            self._sense(paper_low=low)

    def open_cover(self) -> None:
        """Printing stops; the buffer is kept."""
        with self._change():
            self._sense(cover_open=True)

    def close_cover(self) -> None:
        """Printing goes on; some printers cut first (`cuts_on_cover_close`)."""
        with self._change():
            if self.sensors.cover_open and self.spec.cuts_on_cover_close:
                self.paper.cut(0)
            self._sense(cover_open=False)

    def jam_cutter(self) -> None:
        """The knife is stuck: a recoverable error."""
        with self._change():
            self._sense(cutter_jam=True)

    def clear_jam(self) -> None:
        """Somebody freed the knife."""
        with self._change():
            self._sense(cutter_jam=False)

    def break_down(self, broken: bool = True) -> None:
        """An unrecoverable error, until told otherwise."""
        with self._change():
            self._sense(unrecoverable=broken)

    def go_offline(self) -> None:
        """Offline for no reason that a sensor names."""
        with self._change():
            self._sense(switched_offline=True)

    def go_online(self) -> None:
        """Undo `go_offline`."""
        with self._change():
            self._sense(switched_offline=False)

    def press_feed(self, pressed: bool = True) -> None:
        """The FEED button is held down: offline as long."""
        with self._change():
            self._sense(feed_pressed=pressed)

    # --- power ---------------------------------------------------------------------------------------------------

    def power_off(self, keep_line: bool = False) -> None:
        """The plug is pulled: the buffer, half a line, reserved answers and the connection are lost; paper stays.

        With `keep_line` the host does not notice: a line of RS-232 never vanishes, and a network tells nobody. What
        it sends meanwhile is lost.
        """
        with self._change(attention=True):
            self.powered, self.wire.unnoticed = False, keep_line
            self._buffer.clear()
            self._scanner.reset()
            self.paper.forget()
            self._responder.forget()
            self._mouth.forget()
            if self.spec.counters_lag:
                self.counters.fall_back()
            if not keep_line:
                self._drop(reset=True)

    def power_on(self, reset_line: bool = False) -> None:
        """Power is back: sensors say what they said, everything else is as at start. `reset_line`: a connection that
        was kept is not known any more, as to a network printer that starts.
        """
        with self._change(attention=True):
            self.power_cycles += not self.powered
            self.powered, self.wire.unnoticed = True, False
            if reset_line:
                self._drop(reset=True)

    def power_cycle(self) -> None:
        """Off and on."""
        self.power_off()
        self.power_on()

    def save_counters(self) -> None:
        """Write the counters to the memory that survives a power cut (matters with `counters_lag`)."""
        with self._change():
            self.counters.save()

    # --- the line ------------------------------------------------------------------------------------------------

    def refuse(self, on: bool = True) -> None:
        """Nobody listens: the connection drops, new ones are refused (a pty's path vanishes)."""
        with self._change(attention=True):
            self.wire.refuse = on
            if on:
                self._drop(reset=True)

    def stall(self, on: bool = True) -> None:
        """Take no more bytes from the line; flow control is stuck."""
        with self._change(attention=True):
            self.wire.stall = on

    def cut_link(self, after: int = 0, reset: bool = False) -> None:
        """Break the connection once `after` more bytes have come (0 is now); by RST where `reset`."""
        self.cut_link_at(self.received + after, reset)

    def cut_link_at(self, at: int, reset: bool = False) -> None:
        """Break the connection at byte `at`, counted since this printer was made."""
        with self._change(attention=True):
            self.wire.cut_at, self.wire.cut_reset = at, reset
            if self.received >= at:
                self.wire.cut_at = None
                self._drop(reset)

    def swallow(self, on: bool = True, next_bytes: int | None = None) -> None:
        """Accept bytes and never print them, or so many of them; real-time status is answered as if all is well."""
        with self._change():
            self.wire.swallow, self.wire.swallow_left = on, next_bytes

    def mute(self, on: bool = True) -> None:
        """Print, and say nothing at all."""
        with self._change():
            self._mouth.mute = self.wire.mute = on

    def babble(self, noise: bytes) -> None:
        """Noise on the line: the host hears bytes that the printer never said."""
        with self._change():
            self._mouth.babble(noise)

    def trouble_replies(
        self, trouble: Trouble, reply: Reply | None = None, count: int | None = None, delay_s: float = 0.0
    ) -> None:
        """Lose, garble, delay or duplicate answers: of one class or all, so many times or for ever."""
        with self._change():
            self.reply_faults.append(ReplyFault(Trouble(trouble), reply and Reply(reply), count, delay_s))

    def heal(self) -> None:
        """No more faults of line and answers; sensors and power stay."""
        with self._change(attention=True):
            self._mouth.faults.active.clear()
            self._mouth.mute = False
            wire = self.wire
            wire.refuse = wire.stall = wire.swallow = wire.mute = wire.cut_reset = False
            wire.cut_at = None
