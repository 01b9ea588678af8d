"""A disk to boot from, built once of Debian packages and kept. It holds nothing of this project but its first program.

Building needs root and, where they are missing, apt-get for mmdebstrap and qemu. Booting a kept image needs qemu only.
"""

import fcntl
import functools
import gzip
import hashlib
import lzma
import os
import re
import shutil
import struct
import subprocess
from collections.abc import Iterator
from compileall import compile_dir
from contextlib import contextmanager
from pathlib import Path
from py_compile import PycInvalidationMode

import msgspec

BUILD_TIMEOUT_S = 1800
_PROGRAMS = {
    "qemu-system-x86_64": "qemu-system-x86",
    "qemu-system-aarch64": "qemu-system-arm",
    "qemu-aarch64-static": "qemu-user-static",
    "update-binfmts": "binfmt-support",
    "arch-test": "arch-test",
    "mmdebstrap": "mmdebstrap",
    "mke2fs": "e2fsprogs",
}
_QUICK_QEMU = 9
_PATH = f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin"

INIT = """#!/bin/sh
# The first program of the guest: mounts, device files, and the project's own guest program. Its end is the power's.
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8
for line in "proc proc /proc" "sysfs sys /sys" "devtmpfs dev /dev" "tmpfs run /run" "tmpfs tmp /tmp"; do
    set -- $line
    mountpoint -q "$3" || mount -t "$1" "$2" "$3"
done
modprobe -a 9pnet_virtio 9p virtio_console configfs
mount -t configfs configfs /sys/kernel/config
mkdir -p /dev/pts /dev/shm /project /site /data
mount -t devpts devpts /dev/pts
mount -t tmpfs shm /dev/shm
echo "blacklist usblp" >/etc/modprobe.d/vm.conf  # loaded where it is wanted: udev would always
/lib/systemd/systemd-udevd --daemon
udevadm trigger --action=add --subsystem-match=usb
ip link set lo up
for tag in project site; do
    mount -t 9p -o trans=virtio,version=9p2000.L,ro,cache=loose,msize=262144 $tag /$tag
done
mount LABEL=data /data 2>/dev/null
/usr/bin/python3 -u /project/tests/vm/guest.py </dev/null
sync
echo o >/proc/sysrq-trigger
sleep 60
"""

SMALL_INITRD = """set -e; cd "$1"; mkdir -p etc/initramfs-tools/conf.d usr/share/initramfs-tools/modules.d
echo MODULES=list >etc/initramfs-tools/conf.d/vm
printf '%s\\n' virtio_pci virtio_blk ext4 crc32c >usr/share/initramfs-tools/modules.d/vm"""
"""For mmdebstrap, before the kernel comes: of Debian's 35 MB of drivers this machine's disk needs four."""


_UDEV_BEGINS, _UDEV_ENDS = "scripts/init-top/udev", "scripts/init-bottom/udev"
UNPACKED = "its kernel is unpacked, its first disk does not look for devices"


class NotHere(Exception):
    """This machine can't build or run the guest; the message says what is missing."""


class Recipe(msgspec.Struct, frozen=True):
    """What makes an image: change any of it and another one is built."""

    name: str
    packages: tuple[str, ...]
    init: str
    size_mb: int = 1500
    suite: str = "bookworm"

    def key(self) -> str:
        """The same for the same recipe."""
        recipe = msgspec.json.encode(self) + SMALL_INITRD.encode() + UNPACKED.encode()
        return f"{self.name}-{hashlib.sha256(recipe).hexdigest()[:12]}"


class Image(msgspec.Struct, frozen=True):
    """Three files that qemu boots."""

    folder: Path

    @property
    def kernel(self) -> Path:
        """Debian's stock kernel, unpacked."""
        return self.folder / "vmlinux"

    @property
    def initrd(self) -> Path:
        """Debian's own, unpacked."""
        return self.folder / "initrd.img"

    @property
    def disk(self) -> Path:
        """The root file system, never written to."""
        return self.folder / "root.img"


BENCH = Recipe(
    "bench",
    ("linux-image-amd64", "python3", "libusb-1.0-0", "kmod", "udev", "usbutils", "iproute2", "mosquitto", "procps"),
    INIT,
)
"""No service manager: it boots fastest. mosquitto is there for campaigns with a broker."""


def cache_folder() -> Path:
    """Where images are kept: $SHOP_AGENT_VM_CACHE, else ~/.cache/shop-agent/vm."""
    named = os.environ.get("SHOP_AGENT_VM_CACHE")
    folder = Path(named) if named else Path.home() / ".cache/shop-agent/vm"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def program(name: str) -> str:
    """The path of a program, installed with apt-get where that is possible.

    Raises:
        NotHere: it is missing; the message says which package to install.
    """
    found = shutil.which(name, path=_PATH)
    if found is None and os.geteuid() == 0 and shutil.which("apt-get"):
        _apt_get("update")
        _apt_get("install", "-y", "--no-install-recommends", _PROGRAMS[name])
        found = shutil.which(name, path=_PATH)
    if found is None:
        raise NotHere(f"{name} is missing and can't be installed here: apt install {_PROGRAMS[name]}")
    return found


@functools.cache
def emulator(name: str) -> tuple[str, ...]:
    """How a qemu is called: this machine's own, or where that is an old one Debian 13's, which takes a fifth less
    processor. That is run by its own loader, without a chroot; where it can't be had the old one serves.

    Raises:
        NotHere: there is none.
    """
    own = (program(name),)
    said = re.search(r"version (\d+)", version(own))
    if said and int(said[1]) >= _QUICK_QEMU:
        return own
    try:
        usr = _newer_qemu() / "usr"
    except NotHere:
        return own
    libraries, shared = usr / "lib/x86_64-linux-gnu", usr / "share"
    loader = (f"{libraries}/ld-linux-x86-64.so.2", "--library-path", str(libraries))
    return (*loader, f"{usr}/bin/{name}", "-L", f"{shared}/qemu", "-L", f"{shared}/seabios")


def version(command: tuple[str, ...]) -> str:
    """What a program says of itself."""
    return subprocess.run([*command, "--version"], capture_output=True, text=True, check=True).stdout


def built(recipe: Recipe) -> Image:
    """The image of a recipe: from the cache, else built, which takes two to three minutes.

    Raises:
        NotHere: it can't be built on this machine.
    """
    folder = cache_folder() / recipe.key()
    with one_at_a_time(folder.with_suffix(".lock")):
        if not folder.exists():
            _build(recipe, folder)
    return Image(folder)


def ext4(path: Path, size_mb: int, label: str, content: Path | None = None) -> Path:
    """A file that holds an ext4 file system."""
    filled = ("-d", str(content)) if content else ()
    run(program("mke2fs"), "-q", "-F", "-t", "ext4", "-L", label, *filled, str(path), f"{size_mb}M")
    return path


def compiled(folder: Path) -> Path:
    """With Python's bytecode beside the sources: an emulated guest takes long to compile. Where its Python is another
    one than ours, it does so.
    """
    compile_dir(folder, quiet=2, workers=0, invalidation_mode=PycInvalidationMode.UNCHECKED_HASH)
    return folder


def unpack_kernel(boot: Path, into: Path) -> None:
    """The kernel of a /boot and its first disk as they are in memory: unpacked by the guest they take 3 s. What looks
    for devices there is left out, as the modules are named and systemd will look for them again.
    """
    (kernel,), (initrd,) = boot.glob("vmlinuz-*"), boot.glob("initrd.img-*")
    (into / "vmlinux").write_bytes(_payload(kernel.read_bytes()))
    last = (boot.parent / "usr/share/initramfs-tools" / _UDEV_ENDS).read_text().replace("udevadm control --exit", "")
    instead = _archive({_UDEV_BEGINS: b"#!/bin/sh\n", _UDEV_ENDS: last.encode()})
    (into / "initrd.img").write_bytes(gzip.decompress(initrd.read_bytes()) + instead)


def _archive(files: dict[str, bytes]) -> bytes:
    """Programs as a cpio archive, which the kernel unpacks over the one before (its early-userspace/buffer-format)."""
    out = b""
    for name, data in {**files, "TRAILER!!!": b""}.items():
        fields = (0, 0o100755, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name) + 1, 0)
        head = b"070701" + b"".join(b"%08x" % field for field in fields) + name.encode() + b"\0"
        out += b"".join(part + b"\0" * (-len(part) % 4) for part in (head, data))
    return out


def _payload(kernel: bytes) -> bytes:
    """The ELF file within x86's bzImage (Documentation/x86/boot.rst); another architecture's kernel as it is."""
    if kernel[0x202:0x206] != b"HdrS":
        return kernel
    setup_sectors = kernel[0x1F1]
    offset, length = struct.unpack_from("<II", kernel, 0x248)
    packed = kernel[(setup_sectors + 1) * 512 + offset :][:length]
    return lzma.LZMADecompressor().decompress(packed)  # its size follows


def _newer_qemu() -> Path:
    folder = cache_folder() / "qemu-trixie"
    with one_at_a_time(folder.with_suffix(".lock")):
        if not folder.exists():
            work = folder.with_suffix(".part")
            shutil.rmtree(work, ignore_errors=True)
            how = ("--quiet", "--mode=root", "--variant=extract", "--architectures=amd64")
            run(program("mmdebstrap"), *how, "--include=qemu-system-x86,qemu-system-arm", "trixie", str(work))
            work.rename(folder)
    return folder


def _build(recipe: Recipe, folder: Path) -> None:
    if os.geteuid() != 0:
        raise NotHere("the guest's image is not built yet, and building it needs root")
    debstrap = program("mmdebstrap")
    work = folder.with_suffix(".part")
    shutil.rmtree(work, ignore_errors=True)
    root = work / "root"
    root.mkdir(parents=True)
    small = [f"--dpkgopt=path-exclude=/usr/share/{part}/*" for part in ("doc", "man", "locale", "info")]
    hook = f"--essential-hook={SMALL_INITRD}"
    included = f"--include={','.join(recipe.packages)}"
    run(debstrap, "--quiet", "--variant=minbase", *small, hook, included, recipe.suite, str(root))
    init = root / "sbin/vm-init"
    init.write_text(recipe.init)
    init.chmod(0o755)
    (root / "usr/local/bin/python").symlink_to("/usr/bin/python3")
    unpack_kernel(root / "boot", work)
    ext4(work / "root.img", recipe.size_mb, "root", root)
    shutil.rmtree(root)
    work.rename(folder)


def _apt_get(*arguments: str) -> None:
    run("apt-get", "-qq", "-o", "DPkg::Lock::Timeout=300", *arguments, DEBIAN_FRONTEND="noninteractive")


def run(*command: str, timeout_s: float = BUILD_TIMEOUT_S, **environment: str) -> None:
    """Run to its end, or raise NotHere with the last thing it said."""
    done = subprocess.run(
        command,
        env={**os.environ, "PATH": _PATH, **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=timeout_s,
        check=False,
    )
    if done.returncode:
        said = done.stdout.decode(errors="replace").strip().splitlines()[-3:]
        raise NotHere(f"{Path(command[0]).name} failed ({done.returncode}): {' / '.join(said)}")


@contextmanager
def one_at_a_time(path: Path) -> Iterator[None]:
    """Who builds it while another does waits for him."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
