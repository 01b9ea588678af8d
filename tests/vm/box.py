"""A guest that is up, with this project mounted at /project and its packages at /site."""

import hashlib
import os
import platform
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from msgspec.structs import replace

from tests.vm.channel import Channel, Running
from tests.vm.image import BENCH, Image, NotHere, Recipe, built, cache_folder, compiled
from tests.vm.qemu import Hardware, Machine, kvm_usable

ROOT = Path(__file__).parents[2]
GUEST_PYTHON = (3, 11)
ENVIRONMENT = {
    "PYTHONPATH": "/project:/site",
    "PYTHONDONTWRITEBYTECODE": "1",
    "PYTHONUNBUFFERED": "1",
    "SHOP_AGENT_VM": "inside",
}
KVM_BOOT_S, BOOT_S = 15.0, 600.0
"""A nested /dev/kvm may take the guest's first instruction and never give an answer: then it is not waited for long."""

HAIL_S = 0.5

BARE = Hardware()


class Box:
    """A running guest."""

    def __init__(self, machine: Machine, channel: Channel, folder: Path) -> None:
        self.machine, self.channel, self.folder = machine, channel, folder

    def start(self, command: Sequence[str], **environment: str) -> Running:
        """Start a command in the project's folder, with its packages at hand."""
        return self.channel.start(command, {**ENVIRONMENT, **environment}, "/project")

    def run(self, command: Sequence[str], timeout_s: float = 60.0, **environment: str) -> tuple[int, str]:
        """Run a command to its end: its exit code and its output."""
        return self.channel.run(command, timeout_s, {**ENVIRONMENT, **environment}, "/project")

    def pull_the_plug(self) -> None:
        """Off, at once."""
        self.machine.kill()
        self.channel.close()


@contextmanager
def booted(recipe: Recipe = BENCH, hardware: Hardware = BARE) -> Iterator[Box]:
    """A guest from its boot to its end.

    Raises:
        NotHere: this machine can't run one; the message says why.
    """
    if platform.machine() != "x86_64":
        raise NotHere(f"the guest is an amd64 machine, this one is {platform.machine()}")
    image, site = built(recipe), _site_packages()
    with tempfile.TemporaryDirectory(prefix="shop-agent-vm-") as folder:
        shares = {"project": _snapshot(Path(folder, "project")), "site": site}
        with powered(image, replace(hardware, shares={**shares, **hardware.shares})) as box:
            yield box


@contextmanager
def powered(image: Image, hardware: Hardware = BARE) -> Iterator[Box]:
    """Any image that has our first program, or brings it by a disk, from its power's on to its off."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="shop-agent-vm-")))
        for accel in _accelerators() if hardware.arch == "amd64" else ("tcg",):
            box = _boot(image, replace(hardware, accel=accel), folder, KVM_BOOT_S if accel == "kvm" else BOOT_S)
            if box is not None:
                stack.callback(box.pull_the_plug)
                yield box
                return
            _kvm_verdict().write_text("hangs\n")
        raise NotHere("the guest did not boot")  # not reached: without kvm `_boot` raises


def _boot(image: Image, hardware: Hardware, folder: Path, timeout_s: float) -> Box | None:
    machine = Machine(image, hardware, folder).start()
    with suppress(OSError), ExitStack() as in_vain:
        channel = machine.channel()
        in_vain.callback(channel.close)
        if _is_ready(channel, timeout_s, asked=hardware.state is not None):
            in_vain.pop_all()
            return Box(machine, channel, folder)
    said = machine.said()
    machine.kill()
    if hardware.accel == "kvm":
        return None
    raise RuntimeError(f"the guest did not boot within {timeout_s:.0f} s:\n{said}")


def _is_ready(channel: Channel, timeout_s: float, *, asked: bool) -> bool:
    """Does the guest's program serve? One that goes on from a kept memory said so long ago and is `asked`, again and
    again: what comes before its memory is back is lost.
    """
    until = time.monotonic() + timeout_s
    while asked and time.monotonic() < until:
        channel.send({"hello": True})
        if channel.wait_ready(HAIL_S):
            return True
    return channel.wait_ready(max(0.0, until - time.monotonic()))


def _accelerators() -> tuple[str, ...]:
    """kvm where it works, else emulation, which takes about 15 s to boot."""
    chosen = os.environ.get("SHOP_AGENT_VM_ACCEL")
    if chosen:
        return (chosen,)
    return ("kvm", "tcg") if kvm_usable() and not _kvm_verdict().exists() else ("tcg",)


def _kvm_verdict() -> Path:
    """There once kvm was seen to hang on this kernel."""
    return cache_folder() / f"kvm-hangs-{platform.release()}"


def _snapshot(folder: Path) -> Path:
    """The project as it is now: who edits it meanwhile does not disturb the guest, which caches what it read."""
    left_out = shutil.ignore_patterns(".*", "__pycache__", "data", "bench-out", "demo-paper")
    return compiled(Path(shutil.copytree(ROOT, folder, ignore=left_out)))


def _site_packages() -> Path:
    """Packages that the guest's Python can import: ours, or fetched once where our Python is another one."""
    if sys.version_info[:2] == GUEST_PYTHON:
        return Path(sysconfig.get_path("purelib"))
    lock = ROOT / "requirements.lock"
    folder = cache_folder() / f"site-{hashlib.sha256(lock.read_bytes()).hexdigest()[:12]}"
    if not folder.exists():
        version = ".".join(map(str, GUEST_PYTHON))
        part = folder.with_suffix(".part")
        command = [sys.executable, "-m", "pip", "install", "-q", "--require-hashes", "--no-deps", "-r", str(lock)]
        command += ["--target", str(part), "--python-version", version, "--only-binary=:all:", "--upgrade"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=900, check=False)
        if done.returncode:
            raise NotHere(f"no packages for the guest's Python {version}: {done.stderr.strip()[-300:]}")
        part.rename(folder)
    return folder
