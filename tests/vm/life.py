"""A box from its boot to its power cut: the shop in it, what that said, and the paper of the printer outside."""

import threading

from agent.simulator.printer import VirtualPrinter
from tests.kitchen import Ticket, read
from tests.vm.box import Box
from tests.vm.channel import GuestGone, Running
from tests.vm.shop import ORDERS

BEGIN_S, LIFE_S = 120.0, 900.0


class Life:
    """Programs of the guest and the lines that they said."""

    def __init__(self, box: Box) -> None:
        self.said: list[str] = []
        self._box = box
        self._changed = threading.Condition()

    def run(self, *module: str) -> None:
        """Start one of the guest's programs."""
        running = self._box.start(["python", "-m", *module])
        threading.Thread(target=self._hear, args=(running,), daemon=True).start()

    def order(self, *numbers: str) -> None:
        """More orders for the shop."""
        command = ["sh", "-c", f"cat >>{ORDERS}"]
        assert self._box.channel.run(command, stdin="".join(f"{number}\n" for number in numbers).encode()) == (0, "")

    def wait_said(self, line: str) -> None:
        """Wait for a line."""
        with self._changed:
            assert self._changed.wait_for(lambda: line in self.said, BEGIN_S), f"never said {line}: {self.said}"

    def wait_until(self, test: str) -> None:
        """Wait until a shell's test holds in the guest, such as `test -e /dev/ttyUSB0`."""
        code, said = self._box.run(["sh", "-c", f"for n in $(seq 300); do {test} && exit; sleep 0.1; done; exit 9"])
        assert code == 0, f"waited in vain for {test}: {said}"

    def acknowledged(self) -> set[str]:
        """The orders that the cloud will never send again."""
        return {line.split()[1] for line in self.said if line.startswith("acknowledged ")}

    def _hear(self, running: Running) -> None:
        try:
            for line in running.lines(LIFE_S):
                with self._changed:
                    self.said.append(line)
                    self._changed.notify_all()
        except (GuestGone, TimeoutError):
            pass


def papers(device: VirtualPrinter) -> list[Ticket]:
    """Every piece with something on it, also the one that still hangs out."""
    return [ticket for piece in [*device.paper.pieces, device.paper.current] if (ticket := read(piece)).text.strip()]
