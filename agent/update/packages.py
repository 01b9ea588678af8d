"""What apt and dpkg are asked and told. Every program is called by its name, so that tests put their own before it."""

import os
import re
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from agent.update.back import CALM, DPKG_S, PACKAGE
from agent.update.deb import repack

SOURCE = Path("/etc/apt/sources.list.d/shop-agent.sources")
"""Written by scripts/install; its suite is stable or canary."""
ARCHIVES = Path("/var/cache/apt/archives")
LISTS = Path("/var/lib/apt/lists")
_GUIDE = "/usr/share/doc/shop-agent/docs/install.md"
VITAL = "/usr/lib/shop-agent/"
FETCH_S = 1800
_ASK_S = 60
_LOCK = ("-o", "DPkg::Lock::Timeout=120")
_OURS = ("-o", f"Dir::Etc::sourcelist={SOURCE}", "-o", "Dir::Etc::sourceparts=-", "-o", "APT::Get::List-Cleanup=0")
_INSTALL = ("apt-get", "-y", "--no-install-recommends", "-o", "Dpkg::Options::=--force-confold", *_LOCK, "install")


class PackageError(Exception):
    """apt or dpkg would not; the text is their last words."""


def present() -> str:
    """The version that is installed. Raises PackageError where none is, or not wholly."""
    try:
        said = _said("dpkg-query", "--show", "--showformat=${db:Status-Abbrev} ${Version}", PACKAGE)
    except PackageError as exc:
        raise PackageError(
            f"{PACKAGE} 不是用软件包安装的 is not installed as a package: docs/install.md ({exc})"
        ) from exc
    status, _, version = said.partition(" ")
    if status[2:3] == "R":
        again = PACKAGE if SOURCE.exists() else f"./{PACKAGE}_….deb"
        raise PackageError(f"{PACKAGE} is not wholly installed ({status}): sudo apt install --reinstall {again}")
    if status[1:2] != "i":  # the first letter is what a person wants of it: apt-mark hold
        raise PackageError(f"{PACKAGE} is not wholly installed ({status}): sudo dpkg --configure -a")
    return version.strip()


def require() -> None:
    """Raises PackageError where there is no package, or no repository that a newer one could come from."""
    present()
    if not SOURCE.exists():
        raise PackageError(f"没有软件源 there is no repository: {SOURCE}; {_GUIDE}")


def refresh() -> None:
    """Ask our repository for news, and no other. Raises PackageError: no network, or a list that is not signed.

    apt does not wait for the disk: after a power cut lists may be empty, which apt never mends, and is stuck at.
    """
    for path in LISTS.glob("*_*"):
        with suppress(OSError):
            if path.is_file() and not path.stat().st_size:
                path.unlink()
    _run(["apt-get", "-q", *_OURS, *_LOCK, "-o", "APT::Update::Error-Mode=any", "update"], FETCH_S)
    os.sync()


def offered() -> tuple[str, int | None]:
    """The version that apt would install, and the oldest schema that its package names; "" where no list has any: what
    is installed is a candidate all the same.
    """
    policy = _said("apt-cache", "policy", PACKAGE)
    found = re.search(r"^\s*Candidate: (\S+)$", policy, re.M)
    if found is None or found[1] == "(none)" or not re.search(r"^\s+-?\d+ [a-z+]+:", policy, re.M):
        return "", None
    version = found[1]
    shown = _said("apt-cache", "show", f"{PACKAGE}={version}")
    oldest = re.search(r"^Journal-Oldest: (\d+)$", shown, re.M)
    return version, int(oldest[1]) if oldest else None


def newer(version: str, than: str) -> bool:
    """By Debian's order of versions."""
    asked = ["dpkg", "--compare-versions", version, "gt", than]
    return subprocess.run(asked, timeout=_ASK_S, check=False).returncode == 0


def fetch(version: str) -> None:
    """Bring the package, and what it needs, onto the disk. Raises PackageError or OSError.

    Anew: apt does not wait for the disk, and believes a file that has the right length, also after a power cut.
    """
    forget_fetched()
    _run([*_INSTALL, "--download-only", f"{PACKAGE}={version}"], FETCH_S)
    os.sync()


def keep(to: Path) -> None:
    """The installed version as a package, which dpkg has tried on. Raises PackageError or OSError."""
    status = _said("dpkg-query", "--status", PACKAGE)
    paths = _said("dpkg-query", "--listfiles", PACKAGE).splitlines()
    scripts = [Path(line) for line in _said("dpkg-query", "--control-path", PACKAGE).splitlines()]
    repack(status, paths, scripts, VITAL, to)
    _said("dpkg", "--no-act", "--force-downgrade", "--install", str(to))


def install(version: str) -> None:
    """Put it in the place of the one that is here, which stops and starts the agent. Raises PackageError."""
    _run([*_INSTALL, f"{PACKAGE}={version}"], DPKG_S)
    os.sync()  # dpkg waits for its own files only, not for what the package's script compiled


def forget_fetched() -> None:
    """Take the package away that apt has kept: cards are small. Raises OSError."""
    for fetched in ARCHIVES.glob(f"{PACKAGE}_*.deb"):
        fetched.unlink()


def _said(*command: str) -> str:
    return _run(command, _ASK_S)


def _run(command: Sequence[str], timeout_s: float) -> str:
    try:
        done = subprocess.run(
            command, env={**os.environ, **CALM}, capture_output=True, text=True, timeout=timeout_s, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as exc:
        raise PackageError(f"{command[0]}: {exc}") from exc
    if done.returncode:
        last = [line for line in (done.stdout + done.stderr).splitlines() if line.strip()][-3:]
        raise PackageError(f"{command[0]}: {' / '.join(last) or f'exit {done.returncode}'}")
    return done.stdout
