"""The packages that a box gets, built of these sources; $SHOP_AGENT_DEBS is a folder of built ones."""

import hashlib
import os
import subprocess
from pathlib import Path

from agent import __version__
from tests.vm.box import ROOT
from tests.vm.image import NotHere, cache_folder, one_at_a_time

BEFORE = f"{__version__}~before"
"""An older build, as every package manager counts."""
_KEY = "shop packages"
_MADE_OF = (
    "agent",
    "packaging",
    "systemd",
    "config",
    "docs",
    "scripts/deb",
    "requirements.lock",
    "pyproject.toml",
    "README.md",
)


def package(arch: str = "amd64", version: str = __version__) -> Path:
    """The package of this version; built where nobody has yet.

    Raises:
        NotHere: it can't be built on this machine.
    """
    brought = os.environ.get("SHOP_AGENT_DEBS")
    name = f"shop-agent_{version}_{arch}.deb"
    if brought and Path(brought, name).exists():
        return Path(brought, name)
    folder = cache_folder() / "debs" / _sources()
    folder.mkdir(parents=True, exist_ok=True)
    with one_at_a_time(folder / "lock"):
        if not (folder / name).exists():
            command = [str(ROOT / "scripts/build-deb"), arch, "--version", version, "--out", str(folder)]
            done = subprocess.run(command, capture_output=True, text=True, timeout=900, check=False)
            if done.returncode:
                raise NotHere(f"scripts/build-deb failed: {done.stderr.strip()[-500:]}")
    return folder / name


def repository(folder: Path, deb: Path) -> Path:
    """A signed repository with one package, as scripts/make-repo makes it, in this folder."""
    gpg = folder.parent / f"gpg-{folder.name}"
    gpg.mkdir(mode=0o700)
    env = {**os.environ, "GNUPGHOME": str(gpg)}
    key = ["gpg", "--batch", "--quiet", "--passphrase", "", "--quick-gen-key", _KEY, "ed25519", "sign", "never"]
    subprocess.run(key, check=True, env=env)
    for verb, what in (("add", str(deb)), ("promote", deb.name.split("_")[1])):
        command = [str(ROOT / "scripts/make-repo"), verb, str(folder), "--key", _KEY, what]
        subprocess.run(command, check=True, env=env, capture_output=True)
    return folder


def _sources() -> str:
    """The same for the same files."""
    said = hashlib.sha256()
    for name in _MADE_OF:
        at = ROOT / name
        for path in sorted(at.rglob("*")) if at.is_dir() else [at]:
            if path.is_file() and "__pycache__" not in path.parts:
                said.update(str(path.relative_to(ROOT)).encode() + b"\0" + path.read_bytes())
    return said.hexdigest()[:12]
