"""The disk of a whole box: Debian with systemd, and the package installed as on any box, or not yet.

What takes long is kept: the bare system for each architecture (half a minute; arm64 is emulated while it is installed,
which takes minutes), and each disk made of it. Its root can be read-only: then what changes is on a disk
labelled `data`. A disk labelled `tools` at /project brings the test's own programs.
"""

import hashlib
import shutil
import tempfile
from pathlib import Path

from tests.vm.image import (
    SMALL_INITRD,
    UNPACKED,
    Image,
    NotHere,
    cache_folder,
    compiled,
    ext4,
    one_at_a_time,
    program,
    run,
    unpack_kernel,
)

PACKAGES = (
    *("systemd", "systemd-sysv", "udev", "dbus", "kmod", "iproute2", "procps", "e2fsprogs", "dmsetup"),
    *("python3", "adduser", "ca-certificates", "fonts-dejavu-core", "fonts-wqy-microhei", "libusb-1.0-0", "tzdata"),
    *("libstdc++6", "curl"),
)
"""The second line and curl's neighbours are what the package depends on: the guest has no internet to fetch it from."""

_BINFMT = Path("/proc/sys/fs/binfmt_misc")
SIZE_MB = 1800
KEPT = 4
_SMALL = [f"--dpkgopt=path-exclude=/usr/share/{part}/*" for part in ("doc", "man", "locale", "info")]

FILES = {
    "etc/fstab": """\
# Only where the root is read-only; a box that is all on one disk is booted with fstab=no.
LABEL=data /data ext4 noatime,nofail 0 2
/data/state /var/lib/shop-agent none bind,nofail,x-systemd.requires=data.mount 0 0
/data/etc /etc/shop-agent none bind,nofail,x-systemd.requires=data.mount 0 0
tmpfs /tmp tmpfs mode=1777 0 0
tmpfs /var/tmp tmpfs mode=1777 0 0
tmpfs /var/log tmpfs mode=755 0 0
tmpfs /var/lib/systemd tmpfs mode=755 0 0
""",
    "etc/systemd/system/shop-agent.service.d/data.conf": """\
[Unit]
RequiresMountsFor=/var/lib/shop-agent /etc/shop-agent
""",
    "etc/systemd/network/10-shop.network": """\
[Match]
Type=ether
[Network]
Address=10.0.2.15/24
LinkLocalAddressing=no
""",
    "etc/systemd/system/project.mount": """\
[Unit]
DefaultDependencies=no
[Mount]
What=/dev/disk/by-label/tools
Where=/project
Options=ro
""",
    "etc/systemd/system/bench.service": """\
[Unit]
Description=What the test asks for
DefaultDependencies=no
Requires=project.mount
After=project.mount
[Service]
ExecStart=/usr/bin/python3 -u /project/tests/vm/guest.py
Environment=HOME=/root LANG=C.UTF-8
OOMScoreAdjust=-1000
[Install]
WantedBy=basic.target
""",
    "etc/systemd/system/systemd-udev-trigger.service.d/few.conf": """\
[Service]
ExecStart=
ExecStart=udevadm trigger --action=add \
  --subsystem-match=block --subsystem-match=net --subsystem-match=pci --subsystem-match=virtio \
  --subsystem-match=virtio-ports --subsystem-match=usb --subsystem-match=usbmisc
""",
    "etc/machine-id": "5e0b0e1a5c1e4d0f8a6f6f0b0c5d7e21\n",
    "etc/hostname": "shop-agent\n",
}
FOLDERS = ("data", "project")
_UNITS = "etc/systemd/system"
_IDLE = (
    *("apt-daily.timer", "apt-daily-upgrade.timer", "dpkg-db-backup.timer", "e2scrub_all.timer", "fstrim.timer"),
    *("modprobe@dm_mod.service", "modprobe@efi_pstore.service", "modprobe@fuse.service", "modprobe@loop.service"),
    *("dev-hugepages.mount", "dev-mqueue.mount", "sys-fs-fuse-connections.mount", "sys-kernel-tracing.mount"),
    *("proc-sys-fs-binfmt_misc.automount", "systemd-binfmt.service", "systemd-rfkill.socket", "e2scrub_reap.service"),
    *("systemd-update-utmp.service", "systemd-update-utmp-runlevel.service", "systemd-user-sessions.service"),
    *("systemd-logind.service", "getty.target", "systemd-random-seed.service"),
)
"""What nobody here needs, and an emulated box would take seconds for."""
LINKS = {
    "usr/local/bin/python": "/usr/bin/python3",
    f"{_UNITS}/basic.target.wants/bench.service": "../bench.service",
    f"{_UNITS}/multi-user.target.wants/systemd-networkd.service": "/lib/systemd/system/systemd-networkd.service",
} | {f"{_UNITS}/{idle}": "/dev/null" for idle in _IDLE}


def system(arch: str = "amd64", package: Path | None = None) -> Image:
    """The disk of a box, with the package installed if one is given.

    Raises:
        NotHere: it can't be made on this machine.
    """
    recipe = [base_key(arch), UNPACKED, *FILES, *FILES.values(), *FOLDERS, *LINKS, *LINKS.values(), str(SIZE_MB)]
    parts = [part.encode() for part in recipe] + ([package.read_bytes()] if package else [])
    folder = cache_folder() / f"box-{arch}-{hashlib.sha256(b'|'.join(parts)).hexdigest()[:12]}"
    with one_at_a_time(folder.with_suffix(".lock")):
        if not folder.exists():
            _make(arch, package, folder)
            _prune(arch)
    return Image(folder)


def base_key(arch: str) -> str:
    """The name of the bare system's archive: the same for the same packages."""
    said = "|".join((arch, *PACKAGES, SMALL_INITRD, *_SMALL))
    return f"base-{arch}-{hashlib.sha256(said.encode()).hexdigest()[:12]}"


def base(arch: str, *, make: bool = True) -> Path:
    """The archive of the bare system.

    Raises:
        NotHere: it can't be made here, or is not there and is not to be made.
    """
    archive = cache_folder() / f"{base_key(arch)}.tar"
    with one_at_a_time(archive.with_suffix(".lock")):
        if archive.exists():
            return archive
        if not make:
            raise NotHere(f"the {arch} system was never built here: python -m tests.vm build {arch}")
        if arch != "amd64":
            _let_run_here()
        growing = archive.with_suffix(".part.tar")
        included = f"--include={','.join((f'linux-image-{arch}', *PACKAGES))}"
        hook = f"--essential-hook={SMALL_INITRD}"
        how = ["--quiet", "--variant=minbase", f"--architectures={arch}", *_SMALL, hook, included]
        run(program("mmdebstrap"), *how, "bookworm", str(growing), timeout_s=3 * 3600)
        growing.rename(archive)
    return archive


def _let_run_here() -> None:
    """Programs of arm64, emulated one by one, while its packages are installed."""
    for name in ("qemu-aarch64-static", "arch-test", "update-binfmts"):
        program(name)
    if not (_BINFMT / "register").exists():
        run("mount", "-t", "binfmt_misc", "binfmt_misc", str(_BINFMT))
    if not (_BINFMT / "qemu-aarch64").exists():
        run("update-binfmts", "--enable", "qemu-aarch64")


def tools(path: Path, project: Path, *packages: Path) -> Path:
    """The test's programs, which need the standard library only, and packages or repositories, as a disk."""
    with tempfile.TemporaryDirectory(prefix="shop-agent-tools-") as made:
        folder = Path(made, "tests/vm")
        folder.mkdir(parents=True)
        shutil.copy(project / "tests/__init__.py", folder.parent)
        for source in (project / "tests/vm").glob("*.py"):
            shutil.copy(source, folder)
        for package in packages:
            (shutil.copytree if package.is_dir() else shutil.copy)(package, Path(made, package.name))
        return ext4(path, 96, "tools", compiled(Path(made)))


def user_of(image: Image) -> tuple[int, int]:
    """Who the service is on this disk: its user's and its group's number."""
    uid, gid = (image.folder / "user").read_text().split()
    return int(uid), int(gid)


def _make(arch: str, package: Path | None, folder: Path) -> None:
    archive = base(arch, make=arch == "amd64")
    work = folder.with_suffix(".part")
    shutil.rmtree(work, ignore_errors=True)
    root = work / "root"
    root.mkdir(parents=True)
    run("tar", "-C", str(root), "-xf", str(archive))
    _furnish(root)
    if package:
        _install(root, package)
    unpack_kernel(root / "boot", work)
    users = [line.split(":") for line in (root / "etc/passwd").read_text().splitlines()]
    owner = [fields[2:4] for fields in users if fields[0] == "shop-agent"]
    (work / "user").write_text(" ".join(owner[0]) if owner else "0 0")
    ext4(work / "root.img", SIZE_MB, "root", root)
    shutil.rmtree(root)
    work.rename(folder)


def _furnish(root: Path) -> None:
    for name in FOLDERS:
        (root / name).mkdir(parents=True, exist_ok=True)
    for name, text in FILES.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    for name, target in LINKS.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).unlink(missing_ok=True)
        (root / name).symlink_to(target)


def _install(root: Path, package: Path) -> None:
    """As dpkg does it where nothing runs."""
    shutil.copy(package, root / "tmp/package.deb")
    env = ["env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "DEBIAN_FRONTEND=noninteractive", "LC_ALL=C.UTF-8"]
    alone = ["unshare", "--mount", "--pid", "--fork", "chroot", str(root), *env]
    run(*alone, "dpkg", "-i", "/tmp/package.deb")
    (root / "tmp/package.deb").unlink()


def _prune(arch: str) -> None:
    """Disks of packages that were built long ago are of no use."""
    made = sorted(cache_folder().glob(f"box-{arch}-*/root.img"), key=lambda path: path.stat().st_mtime)
    for old in made[:-KEPT]:
        shutil.rmtree(old.parent, ignore_errors=True)
