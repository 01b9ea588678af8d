"""A printer that is plugged in only when the box has been running for long: the service may open it as any other."""

from pathlib import Path

from tests.vm.box import powered
from tests.vm.outside import PLAIN, outside, until
from tests.vm.packages import package
from tests.vm.system import system

SOON_S = 120.0


def test_the_first_serial_adapter_of_a_running_box_prints(tmp_path: Path) -> None:
    """The kernel had no driver for it yet when the service started, and so no class of devices to be allowed."""
    image = system("amd64", package())
    with outside(tmp_path) as around:
        around.link = "serial:///dev/ttyUSB0?baud=19200"
        cable = ("-chardev", f"socket,id=cable,host=127.0.0.1,port={around.printer_port},reconnect=1")
        socket = ("-device", "qemu-xhci,id=usb")
        hardware = around.hardware(words=PLAIN, ports={}, extra=(*around.network(), *socket, *cable))
        with powered(image, hardware) as box:
            around.configure(box)
            around.wait_online()
            adapter = {"driver": "usb-serial", "id": "adapter", "chardev": "cable", "always-plugged": True}
            box.machine.monitor("device_add", **adapter)
            until(box, "test -e /dev/ttyUSB0")
            around.wait_printed(around.order(), SOON_S)
        verdict = around.verdict()
    assert verdict.fine, verdict.findings
