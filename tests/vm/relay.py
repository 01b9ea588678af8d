"""Inside the guest: the USB socket of a printer that stands outside, so that it survives the guest's power cut.

Carries bytes between the gadget and the virtio-serial port `printer`, which leads to a virtual printer of the host.
"""

import os
import select
import time
from pathlib import Path

from tests.vm.configfs import Gadget, load_modules
from tests.vm.guest import port_path

PORT = "printer"
_MOST = 4096
_PAUSE_S = 0.02


class End:
    """One of the two descriptors, with what still has to be written to it."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self.waiting = b""

    def events(self, other: "End") -> int:
        """Read only what the other end can take; write only what there is."""
        return (0 if other.waiting else select.POLLIN) | (select.POLLOUT if self.waiting else 0)

    def move(self, event: int, other: "End") -> None:
        """Do what poll says can be done."""
        if event & select.POLLOUT and self.waiting:
            self.waiting = self.waiting[os.write(self.descriptor, self.waiting) :]
        if event & select.POLLIN and not other.waiting:
            other.waiting = os.read(self.descriptor, _MOST)
        if event & (select.POLLHUP | select.POLLERR):
            time.sleep(_PAUSE_S)  # nobody is there: poll would not wait


def opened(path: Path) -> int:
    """The gadget's device file, once the host has set the printer up."""
    while True:
        try:
            return os.open(path, os.O_RDWR | os.O_NONBLOCK)
        except OSError:
            time.sleep(_PAUSE_S)


def main() -> None:
    """Carry until the power is cut."""
    load_modules()
    outside = End(os.open(port_path(PORT), os.O_RDWR | os.O_NONBLOCK))
    inside = End(opened(Gadget().plug()))
    print("plugged in", flush=True)
    while True:
        poll = select.poll()
        poll.register(outside.descriptor, outside.events(inside))
        poll.register(inside.descriptor, inside.events(outside))
        ready = dict(poll.poll(1000))
        outside.move(ready.get(outside.descriptor, 0), inside)
        inside.move(ready.get(inside.descriptor, 0), outside)


if __name__ == "__main__":
    main()
