"""The package on bare Debian systems in chroots: scripts/test --package. It needs root, apt and some minutes."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.package import chroot

PROJECT = Path(__file__).parents[2]
OLD, NEW = "0.0.9", "0.1.0"
WANTED = os.environ.get("SHOP_AGENT_PACKAGE") == "1"
WHY_NOT = chroot.why_not() if WANTED else "scripts/test --package"
ON_BARE_DEBIAN = [
    pytest.mark.skipif(bool(WHY_NOT), reason=WHY_NOT),
    pytest.mark.timeout(900),
]


def copy_project(project: Path, to: Path) -> Path:
    """As it is now, elsewhere."""
    left_out = shutil.ignore_patterns(".*", "__pycache__", "dist", "data", "gallery", "bench-out", "demo-paper")
    shutil.copytree(project, to, ignore=left_out, copy_function=shutil.copy)
    (to / ".venv").symlink_to(PROJECT / ".venv")
    return to


def build(sources: Path, out: Path, *arguments: str) -> None:
    """Build packages of the sources, dated alike."""
    env = {**os.environ, "SOURCE_DATE_EPOCH": "1795000000"}
    subprocess.run([sources / "scripts/build-deb", "--out", str(out), *arguments], check=True, env=env, cwd=sources)


def deb_name(version: str, arch: str = "amd64") -> str:
    """The file of that version."""
    return f"shop-agent_{version}_{arch}.deb"
