"""Inside the guest: USB printers made of the kernel's gadgets, each plugged into one of its dummy sockets."""

import subprocess
from pathlib import Path

CONFIGFS = Path("/sys/kernel/config/usb_gadget")
PRINTERS = Path("/sys/class/usb_printer_gadget")
SOCKETS = tuple(f"dummy_udc.{number}" for number in range(4))
"""What is in socket n is at USB port (n+1)-1. The kernel's printer gadget can't be had more than four times."""

DEVICE_ID = "MFG:EPSON;CMD:ESC/POS;MDL:TM-T20II;CLS:PRINTER;"


def load_modules(usblp: bool = True) -> None:
    """The gadget's side and, if wanted, the host's printer driver; without it a device is free for libusb."""
    for module in (("dummy_hcd", f"num={len(SOCKETS)}"), ("libcomposite",), ("usb_f_printer",)):
        modprobe(*module)
    modprobe("usblp") if usblp else modprobe("-r", "usblp")


def modprobe(*arguments: str) -> None:
    """Load a module; it is no error when it is there."""
    subprocess.run(["/sbin/modprobe", *arguments], check=True)


class Gadget:
    """A printer's USB side. Between `plug` and `unplug` the host sees it, and `plug` tells its device file.

    `q_len` is how many packets of up to 8192 bytes the kernel keeps on this side, and how many answers that the host
    has not asked for yet; one too many is lost.
    """

    def __init__(
        self,
        name: str = "g1",
        socket: str = SOCKETS[0],
        *,
        vendor: int = 0x04B8,
        product: int = 0x0202,
        serial: str = "VP000001",
        device_id: str = DEVICE_ID,
        q_len: int = 10,
    ) -> None:
        self.socket = socket
        self._node = PRINTERS
        self._folder = CONFIGFS / name
        self._folder.mkdir()
        self._write("idVendor", f"{vendor:#06x}")
        self._write("idProduct", f"{product:#06x}")
        strings = {"manufacturer": "EPSON", "product": "TM-T20II", "serialnumber": serial}
        (self._folder / "strings/0x409").mkdir()
        for key, text in strings.items():
            if text:
                self._write(f"strings/0x409/{key}", text)
        (self._folder / "functions/printer.0").mkdir()
        self._write("functions/printer.0/pnp_string", device_id)
        self._write("functions/printer.0/q_len", str(q_len))
        (self._folder / "configs/c.1").mkdir()
        (self._folder / "configs/c.1/printer.0").symlink_to(self._folder / "functions/printer.0")

    @property
    def plugged(self) -> bool:
        """Is it in its socket?"""
        return bool((self._folder / "UDC").read_text().strip())

    def plug(self) -> Path:
        """Put it into its socket, if it is not there; the device file of the printer's side."""
        if not self.plugged:
            before = set(PRINTERS.glob("*"))
            self._write("UDC", self.socket)
            (self._node,) = {*PRINTERS.glob("*")} - before
        return Path("/dev", self._node.name)

    def unplug(self) -> None:
        """Pull the cable. Repeating does no harm."""
        if self.plugged:
            self._write("UDC", "")

    def remove(self) -> None:
        """Unplug it and forget it."""
        self.unplug()
        (self._folder / "configs/c.1/printer.0").unlink()
        for part in ("configs/c.1", "functions/printer.0", "strings/0x409"):
            (self._folder / part).rmdir()
        self._folder.rmdir()

    def _write(self, name: str, text: str) -> None:
        (self._folder / name).write_text(text + "\n")
