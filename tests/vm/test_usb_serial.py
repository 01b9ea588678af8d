"""A USB-serial cable that is pulled out and back under another name, while another one takes its old name.

Runs on the host: qemu's hot plug is the cable, and the host plays both printers.
"""

from agent.simulator.ports import serve_tcp
from agent.simulator.printer import VirtualPrinter
from tests.vm.box import booted
from tests.vm.life import Life, papers
from tests.vm.qemu import Hardware


def adapter(name: str, port: int) -> dict[str, str | bool]:
    """An FTDI adapter in a port of the guest's USB controller."""
    return {"driver": "usb-serial", "id": f"adapter-{name}", "chardev": name, "bus": "usb.0", "port": str(port)}


def test_a_serial_printer_is_found_at_its_port_whatever_its_cable_is_called() -> None:
    """ttyUSB0 comes back as ttyUSB1, and what is ttyUSB0 now gets nothing."""
    with VirtualPrinter() as mine, VirtualPrinter() as other, serve_tcp(mine) as here, serve_tcp(other) as there:
        extra = ["-device", "qemu-xhci,id=usb"]
        for name, port in (("mine", here.port), ("other", there.port)):
            extra += ["-chardev", f"socket,id={name},host=127.0.0.1,port={port},reconnect=1"]
        with booted(hardware=Hardware(extra=tuple(extra))) as box:
            life, machine = Life(box), box.machine
            assert box.run(["modprobe", "xhci_pci"]) == (0, "")
            machine.monitor("device_add", **adapter("mine", 1), **{"always-plugged": True})
            life.wait_until("test -e /dev/ttyUSB0")
            life.order("1")
            life.run("tests.vm.shop", "serial:///dev/ttyUSB0?baud=19200", "/run/shop")
            life.wait_said("done 1")
            machine.monitor("device_del", id="adapter-mine")
            life.wait_until("! test -e /dev/ttyUSB0")
            life.wait_until("! ls -l /proc/[0-9]*/fd 2>&1 | grep -q ttyUSB0")  # its number is free again
            machine.monitor("device_add", **adapter("other", 2), **{"always-plugged": True})
            life.wait_until("test -e /dev/ttyUSB0")
            machine.monitor("device_add", **adapter("mine", 1), **{"always-plugged": True})
            life.wait_until("test -e /dev/ttyUSB1")
            life.order("2", "3")
            life.wait_said("done 3")
        assert [(ticket.number, ticket.marked) for ticket in papers(mine)] == [("1", False), ("2", False), ("3", False)]
        assert papers(other) == []
