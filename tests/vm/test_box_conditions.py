"""A box's other troubles: a clock that believes in another year, and what orders cost its memory card."""

import time
from pathlib import Path

from tests.vm.box import Box, powered
from tests.vm.evening import evening, night
from tests.vm.outside import Outside, outside, shell, until
from tests.vm.packages import package
from tests.vm.system import system

IN_2001 = 981_200_000
MOST_BYTES = 60_000
MEASURED, EVERY_S = 20, 2.0


def test_a_box_that_believes_in_another_year_prints_what_comes(tmp_path: Path) -> None:
    """No battery for its clock, and no time from the network yet: an order is neither old nor marked for it."""
    image = system("amd64", package())
    with outside(tmp_path) as around:
        with night(evening(image, around), around, around.data_disk(image), now=IN_2001) as box:
            around.wait_online()
            around.wait_printed(around.order())
            assert shell(box, "date +%Y") == "2001"
        verdict = around.verdict()
    assert verdict.fine, verdict.findings
    assert verdict.reprints == 0


def test_from_the_power_on_a_box_prints_without_a_hand(tmp_path: Path) -> None:
    """With a read-only root and its data on another disk; nothing on it fails. How long it takes is said."""
    image = system("amd64", package())
    with outside(tmp_path) as around:
        disk, began = around.data_disk(image), time.monotonic()
        with powered(image, around.hardware(disk, words="ro systemd.unit=multi-user.target")) as box:
            box.start(["python", "-m", "tests.vm.relay"])
            until(box, "systemctl -q is-active shop-agent")
            seen_s = time.monotonic() - began
            said = shell(box, "systemctl show -P ActiveEnterTimestampMonotonic shop-agent")
            print(f"ready {int(said) / 1e6:.1f} s after the kernel began; seen {seen_s:.1f} s after the power came")
            around.wait_online()
            around.wait_printed(around.order())
            print(f"first ticket {time.monotonic() - began:.1f} s after the power came")
            assert shell(box, "systemctl --failed --no-legend") == ""


def test_an_order_costs_the_card_little(tmp_path: Path) -> None:
    """At most 60 KB are written to the disk for an order, its ticket and its reports, at a calm pace. What the system's
    log adds where it is kept on that disk is said.
    """
    image = system("amd64", package())
    with outside(tmp_path) as around, night(evening(image, around), around, around.data_disk(image)) as box:
        around.wait_online()
        around.wait_printed(around.order())
        volatile = an_orders_bytes(box, around)
        shell(box, "mkdir -p /data/log /var/log/journal; mount --bind /data/log /var/log/journal; journalctl --flush")
        kept = an_orders_bytes(box, around)
    print(f"written to the disk for an order: {volatile / 1000:.1f} KB; with the log kept on it: {kept / 1000:.1f} KB")
    assert volatile <= MOST_BYTES


def an_orders_bytes(box: Box, around: Outside) -> float:
    """What reaches the disk for each of some orders, all of it written out."""
    before = written(box)
    for _ in range(MEASURED):
        number = around.order()
        time.sleep(EVERY_S)
    around.wait_printed(number)
    time.sleep(EVERY_S)
    return (written(box) - before) / MEASURED


def written(box: Box) -> int:
    """Bytes that the data disk was given since it was plugged in."""
    return 512 * int(shell(box, "sync; awk '{print $7}' /sys/block/sda/stat"))
