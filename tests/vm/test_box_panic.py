"""A box whose kernel stops in the middle of orders: it comes back by itself, and nothing is lost or doubled."""

import time
from pathlib import Path

from tests.vm.box import powered
from tests.vm.outside import outside, plug_in, shell
from tests.vm.packages import package
from tests.vm.system import system

WORDS = "ro systemd.unit=multi-user.target panic=0"
"""What the package sets holds, not the test's words for the kernel."""
WATCHDOG = ("-device", "i6300esb", "-action", "watchdog=reset")
BACK_S = 90.0


def test_a_panic_ends_in_a_start_that_loses_and_doubles_nothing(tmp_path: Path) -> None:
    """The kernel restarts the machine; one that can't is restarted by the machine's own watchdog."""
    image = system("amd64", package())
    with outside(tmp_path) as around:
        disk = around.data_disk(image)
        hardware = around.hardware(disk, words=WORDS, extra=(*around.network(), *WATCHDOG))
        for by in ("the kernel", "the watchdog"):
            with powered(image, hardware) as box:
                plug_in(box)
                around.wait_online()
                around.wait_all_printed()
                if by == "the watchdog":
                    shell(box, "sysctl -q kernel.panic=0")
                with around.orders_flow(1.0):
                    around.wait_printed(len(around.events) + 2)
                    box.start(["sh", "-c", "echo c >/proc/sysrq-trigger"])
                    began = time.monotonic()
                    assert box.machine.ended(BACK_S), f"{by} did not restart the machine"
                    print(f"restarted by {by} after {time.monotonic() - began:.0f} s")
        with powered(image, hardware) as box:
            plug_in(box)
            around.wait_all_printed()
        verdict = around.verdict()
    print(f"{verdict.orders} orders, {verdict.reprints} marked again, {verdict.partials} torn and said so")
    assert verdict.fine, verdict.findings
