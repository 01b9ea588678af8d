"""From the sources to a .deb."""

import hashlib
import os
import subprocess
import tempfile
from pathlib import Path

from agent.journal.file import oldest_writer
from scripts.deb.tree import PROJECT, lay_out, settle

_SCRIPTS = ("postinst", "prerm", "postrm")


def build(arch: str, version: str, out: Path) -> Path:
    """Make `out/shop-agent_VERSION_ARCH.deb`; the same sources and $SOURCE_DATE_EPOCH make the same bytes.

    Raises:
        RuntimeError, ValueError: a dependency can't be had; the text says why.
        subprocess.CalledProcessError: dpkg-deb failed.
    """
    epoch = int(os.environ["SOURCE_DATE_EPOCH"])
    out.mkdir(parents=True, exist_ok=True)
    package = out / f"shop-agent_{version}_{arch}.deb"
    with tempfile.TemporaryDirectory(prefix="shop-agent-deb-") as work:
        root = Path(work) / "root"
        root.mkdir()
        lay_out(root, arch, version, epoch)
        _put_control(root, arch, version)
        settle(root, epoch)
        for name in _SCRIPTS:
            (root / "DEBIAN" / name).chmod(0o755)
        growing = out / f".{package.name}.new"
        # One thread: xz cuts its work by their number, and so differs from machine to machine.
        command = ["dpkg-deb", "--build", "--root-owner-group", "-Zxz", "--threads-max=1", str(root), str(growing)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        growing.replace(package)
    return package


def _put_control(root: Path, arch: str, version: str) -> None:
    files = sorted(path for path in root.rglob("*") if path.is_file())
    kilobytes = sum(-(-path.stat().st_size // 1024) for path in files) + sum(
        1 for path in root.rglob("*") if path.is_dir()
    )
    folder = root / "DEBIAN"
    folder.mkdir()
    text = (PROJECT / "packaging/control").read_text()
    told = {"VERSION": version, "ARCH": arch, "KILOBYTES": str(kilobytes), "OLDEST": str(oldest_writer())}
    for name, value in told.items():
        text = text.replace(f"@{name}@", value)
    (folder / "control").write_text(text)
    sums = [f"{hashlib.md5(path.read_bytes()).hexdigest()}  {path.relative_to(root)}\n" for path in files]
    (folder / "md5sums").write_text("".join(sums))
    own = [f"/{path.relative_to(root)}\n" for path in files if path.relative_to(root).parts[0] == "etc"]
    (folder / "conffiles").write_text("".join(own))
    for name in (*_SCRIPTS, "triggers"):
        (folder / name).write_bytes((PROJECT / "packaging" / name).read_bytes())
