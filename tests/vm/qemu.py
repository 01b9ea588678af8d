"""A qemu process: an image, a memory, ports. It knows nothing of what runs inside."""

import json
import os
import socket
import subprocess
import time
from pathlib import Path
from typing import Any, Self

import msgspec

from tests.vm.channel import Channel
from tests.vm.image import Image, emulator

STOP_TIMEOUT_S = 10.0
SAVE_TIMEOUT_S = 120.0
QEMUS = {"amd64": "qemu-system-x86_64", "arm64": "qemu-system-aarch64"}
_BOARDS = {"amd64": "q35", "arm64": "virt"}
_EMULATED = {"amd64": "Nehalem", "arm64": "cortex-a72"}
"""Plain ones: what a newer one can do more makes emulation slower, and so do two at a time."""
_QUICK = "mitigations=off module_blacklist=cfg80211,psmouse,ahci,i2c_i801,lpc_ich,iTCO_wdt,pcspkr"
"""An emulated processor has no holes, and there is nothing to drive but what the tests bring."""
_CONSOLES = {"amd64": "ttyS0", "arm64": "ttyAMA0"}


class Hardware(msgspec.Struct, frozen=True, kw_only=True):
    """What a machine is made of. `ports` are virtio-serial ports by name, each leading to a TCP port of this host.

    `root` is its own disk to boot from, and written to; without one it is the image's, and nothing written there stays.
    `state` is a memory that `Machine.save` kept: it goes on there instead of booting, on the same hardware.
    """

    arch: str = "amd64"
    accel: str = "tcg"
    root: Path | None = None
    state: Path | None = None
    words: str = "rw init=/sbin/vm-init"
    memory_mb: int = 768
    cpus: int = 1
    shares: dict[str, Path] = {}
    drives: tuple[Path, ...] = ()
    ports: dict[str, int] = {}
    extra: tuple[str, ...] = ()


class Machine:
    """Runs from `start` to `kill`. Its console and sockets are files in `folder`."""

    def __init__(self, image: Image, hardware: Hardware, folder: Path) -> None:
        self._image, self._hardware, self._folder = image, hardware, folder
        self._process: subprocess.Popen[bytes] | None = None
        self.console = folder / "console.log"

    def start(self) -> Self:
        """Switch it on."""
        command = [*emulator(QEMUS[self._hardware.arch]), *self._arguments()]
        with (self._folder / "qemu.log").open("ab") as log:
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        return self

    def channel(self) -> Channel:
        """The control channel; its guest may still be booting."""
        return Channel(self._folder / "ctl")

    def running(self) -> bool:
        """Does it run?"""
        return self._process is not None and self._process.poll() is None

    def kill(self) -> None:
        """Pull the plug: the guest's memory is lost, its disks keep what it had written to them."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(STOP_TIMEOUT_S)
            self._process = None

    def ended(self, timeout_s: float) -> bool:
        """Wait until it is off by itself, which here is also how it would start again."""
        try:
            return self._process is None or self._process.wait(timeout_s) is not None
        except subprocess.TimeoutExpired:
            return False

    def monitor(self, execute: str, **arguments: Any) -> Any:
        """One command of qemu's monitor (QMP), as `device_del`; what it returned."""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(STOP_TIMEOUT_S)
            connection.connect(str(self._folder / "qmp"))
            with connection.makefile("rwb") as stream:
                stream.readline()
                _ask(stream, {"execute": "qmp_capabilities"})
                return _ask(stream, {"execute": execute, "arguments": arguments})

    def save(self, state: Path) -> None:
        """Its memory into a file, and off. Its disks are to be kept with it, if they were written to."""
        self.monitor("migrate", uri=f"exec:cat >{state}")
        deadline = time.monotonic() + SAVE_TIMEOUT_S
        while (now := self.monitor("query-migrate"))["status"] != "completed":
            if now["status"] == "failed" or time.monotonic() > deadline:
                raise RuntimeError(f"the guest's memory can't be saved: {now}")
            time.sleep(0.1)
        self.kill()

    def said(self) -> str:
        """The end of its console and of qemu's own words, for a message."""
        files = (self._folder / "qemu.log", self.console)
        return "\n".join(path.read_text(errors="replace")[-2000:] for path in files if path.exists())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.kill()

    def _arguments(self) -> list[str]:
        hardware, image = self._hardware, self._image
        cpu = "host" if hardware.accel == "kvm" else _EMULATED[hardware.arch]
        arguments = ["-machine", f"{_BOARDS[hardware.arch]},accel={hardware.accel}", "-cpu", cpu]
        arguments += ["-m", str(hardware.memory_mb)]
        arguments += ["-smp", str(hardware.cpus), "-nographic", "-nodefaults", "-no-reboot", "-no-user-config"]
        kernel = f"root=LABEL=root console={_CONSOLES[hardware.arch]} quiet panic=-1 {_QUICK} {hardware.words}"
        arguments += ["-kernel", str(image.kernel), "-initrd", str(image.initrd), "-append", kernel]
        arguments += ["-serial", f"file:{self.console}", "-device", "virtio-rng-pci"]
        arguments += ["-qmp", f"unix:{self._folder}/qmp,server=on,wait=off"]
        root = f"file={image.disk},cache=unsafe,snapshot=on" if hardware.root is None else f"file={hardware.root}"
        arguments += ["-drive", f"{root},format=raw,if=virtio"]
        if hardware.state is not None:
            arguments += ["-incoming", f"exec:cat {hardware.state}"]
        for drive in hardware.drives:
            arguments += ["-drive", f"file={drive},format=raw,if=virtio,cache=writeback"]
        for tag, folder in hardware.shares.items():
            arguments += ["-virtfs", f"local,path={folder},mount_tag={tag},security_model=none,readonly=on"]
        arguments += ["-device", "virtio-serial-pci"]
        arguments += ["-chardev", f"socket,id=ctl,path={self._folder}/ctl,server=on,wait=off"]
        arguments += ["-device", "virtserialport,chardev=ctl,name=ctl"]
        for name, port in hardware.ports.items():
            arguments += ["-chardev", f"socket,id={name},host=127.0.0.1,port={port},reconnect=1"]
            arguments += ["-device", f"virtserialport,chardev={name},name={name}"]
        return [*arguments, *hardware.extra]


def kvm_usable() -> bool:
    """Is there a /dev/kvm that we may open? It may still hang: see box."""
    return os.access("/dev/kvm", os.R_OK | os.W_OK)


def _ask(stream: Any, message: dict[str, Any]) -> Any:
    stream.write(json.dumps(message).encode() + b"\n")
    stream.flush()
    while True:
        answer = json.loads(stream.readline())
        if "error" in answer:
            raise RuntimeError(f"{message['execute']}: {answer['error'].get('desc')}")
        if "return" in answer:
            return answer["return"]
