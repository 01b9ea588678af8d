"""A box that is not booted again each night: its memory, kept before it ever saw the disk with the shop's data.

Everything that a power cut can hurt is on that disk, which is put in after the memory is back; the root is read-only.
So a night begins within seconds and is as honest as a boot, which a few nights do besides.
"""

import hashlib
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from tests.vm.box import ROOT, Box, powered
from tests.vm.image import Image, cache_folder, emulator, one_at_a_time, version
from tests.vm.outside import Outside, shell, until
from tests.vm.qemu import QEMUS, Hardware
from tests.vm.system import tools

NOT_YET = "ro systemd.unit=basic.target"
"""Words for the kernel: nothing that is ours starts by itself."""
_SCSI = ("-device", "virtio-scsi-pci,id=scsi")
_AT_HAND = """modprobe sd_mod; modprobe virtio_scsi; cd /usr/lib/shop-agent/$(cat /usr/lib/shop-agent/version)
PYTHONPATH=.:../$(cat packages) python3 -c 'import agent.app, agent.cli.run, agent.console.open'
systemctl start systemd-networkd"""
"""What no power cut can hurt: drivers, programs that were read, a network card with its address."""
KEPT = 2


class Evening(msgspec.Struct, frozen=True):
    """A kept memory, and the disk that was in the machine with it."""

    image: Image
    folder: Path

    def hardware(self, around: Outside, *, resumed: bool = True) -> Hardware:
        """The machine that it is the memory of."""
        shutil.copy(self.folder / "tools.img", around.folder / "tools.img")
        state = self.folder / "memory" if resumed else None
        return around.hardware(words=NOT_YET, state=state, extra=(*around.network(), *_SCSI))


def evening(image: Image, around: Outside) -> Evening:
    """The kept memory of a box with this disk; made if it is not there."""
    sources = sorted(ROOT.glob("tests/vm/*.py"))
    programs = [
        path.read_bytes() for path in sources if path.name in ("guest.py", "relay.py", "configfs.py", "qemu.py")
    ]
    words = f"{image.folder.name}|{NOT_YET}|{_SCSI}|{_AT_HAND}|{version(emulator(QEMUS['amd64']))}".encode()
    key = hashlib.sha256(b"|".join([words, *programs])).hexdigest()[:12]
    folder = cache_folder() / f"evening-{key}"
    with one_at_a_time(folder.with_suffix(".lock")):
        if not folder.exists():
            _make(Evening(image, folder), around)
            made = sorted(cache_folder().glob("evening-*/memory"), key=lambda path: path.stat().st_mtime)
            for old in made[:-KEPT]:
                shutil.rmtree(old.parent)
    return Evening(image, folder)


def _make(wanted: Evening, around: Outside) -> None:
    work = wanted.folder.with_suffix(".part")
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir()
    tools(work / "tools.img", ROOT)
    making = Evening(wanted.image, work)
    with powered(wanted.image, making.hardware(around, resumed=False)) as box:
        box.start(["python", "-m", "tests.vm.relay"])
        until(box, "test -e /dev/usb/lp0")
        shell(box, _AT_HAND)
        shell(box, "systemctl cancel")  # what waits for the disk
        box.machine.save(work / "memory")
    work.rename(wanted.folder)


@contextmanager
def night(kept: Evening, around: Outside, data: Path, now: float = 0.0) -> Iterator[Box]:
    """The box from its power's on until its power's off; its services are starting when it is handed over. `now` is
    what its clock says, as seconds since 1970, where that is not the time.
    """
    with powered(kept.image, kept.hardware(around)) as box:
        file = {"driver": "file", "filename": str(data), "cache": {"direct": False, "no-flush": False}}
        box.machine.monitor("blockdev-add", **{"driver": "raw", "node-name": "data", "file": file})
        box.machine.monitor("device_add", driver="scsi-hd", drive="data", id="data", **{"write-cache": "on"})
        box.channel.wake(now or time.time())
        yield box
