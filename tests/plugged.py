"""A machine's sysfs and /dev, made of folders: what is plugged in where. Devices are stood in for by ptys."""

import os
from pathlib import Path


class Machine:
    """The USB of a machine. `sys` and `dev` are what a connector is given instead of /sys and /dev."""

    def __init__(self, root: Path) -> None:
        self.sys = root / "sys"
        self.dev = root / "dev"
        (self.dev / "usb").mkdir(parents=True)
        (self.sys / "class").mkdir(parents=True)

    def usb(self, port: str, model: str, serial: str = "", maker: str = "", product: str = "") -> Path:
        """Plug a device in; its folder."""
        device = self.sys / "devices" / "pci0000:00" / f"usb{port.partition('-')[0]}" / port
        device.mkdir(parents=True)
        vendor, _, kind = model.partition(":")
        files = {"idVendor": vendor, "idProduct": kind, "serial": serial, "manufacturer": maker, "product": product}
        for name, text in files.items():
            if text:
                (device / name).write_text(text + "\n")
        self._link(self.sys / "bus" / "usb" / "devices" / port, device)
        return device

    def printer(self, port: str, name: str, path: str, printer_id: str = "") -> Path:
        """Let usblp take the device at this port: `name` is lp0 or the like, `path` the pty. Returns the device's."""
        interface = self.sys / "devices" / "pci0000:00" / f"usb{port.partition('-')[0]}" / port / f"{port}:1.0"
        node = interface / "usbmisc" / name
        node.mkdir(parents=True)
        if printer_id:
            (interface / "ieee1284_id").write_text(printer_id)
        self._link(node / "device", interface)
        return self._device("usbmisc", node, self.dev / "usb" / name, path)

    def tty(self, port: str, name: str, path: str, line: str = "0") -> Path:
        """Let a serial adapter at this port have a line. Returns the path of its device."""
        chip = self.sys / "devices" / "pci0000:00" / f"usb{port.partition('-')[0]}" / port / f"{port}:1.{line}" / name
        node = chip / "tty" / name
        node.mkdir(parents=True)
        (chip / "port_number").write_text("0\n")
        self._link(node / "device", chip)
        return self._device("tty", node, self.dev / name, path)

    def chip(self, chip: str, name: str, path: str) -> Path:
        """Have a serial line of the board itself."""
        node = self.sys / "devices" / "platform" / chip / "tty" / name
        node.mkdir(parents=True)
        self._link(node / "device", node.parent.parent)
        return self._device("tty", node, self.dev / name, path)

    def unplug(self, name: str) -> None:
        """The line or printer of this name is gone, and its device."""
        for kind in ("usbmisc", "tty"):
            link = self.sys / "class" / kind / name
            if link.is_symlink():
                link.unlink()
        for device in (self.dev / name, self.dev / "usb" / name):
            if device.is_symlink():
                self._number(str(device)).unlink()
                device.unlink()

    def _device(self, kind: str, node: Path, device: Path, path: str) -> Path:
        self._link(self.sys / "class" / kind / node.name, node)
        self._link(device, Path(path))
        self._link(self._number(path), node)
        return device

    def _number(self, path: str) -> Path:
        number = os.stat(path).st_rdev  # noqa: PTH116  # beside os.major
        return self.sys / "dev" / "char" / f"{os.major(number)}:{os.minor(number)}"

    @staticmethod
    def _link(link: Path, target: Path) -> None:
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(target)
