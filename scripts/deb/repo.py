"""A signed apt repository in a folder: scripts/make-repo. The suite SUITE is pool/SUITE, described in dists/SUITE."""

import argparse
import hashlib
import lzma
import os
import subprocess
import sys
import time
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path

from scripts.deb.wheels import MACHINES

SUITES = ("canary", "stable")
KEY_FILE = "shop-agent.gpg"
_OLD_INDEX_S = 7 * 86_400


def main() -> None:
    """Add packages, or promote a version."""
    parser = argparse.ArgumentParser(prog="scripts/make-repo", description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True)
    adding = verbs.add_parser("add", help="packages into canary")
    promoting = verbs.add_parser("promote", help="a version from canary to stable")
    for verb in (adding, promoting):
        verb.add_argument("folder", type=Path)
        verb.add_argument("--key", required=True, help="the secret key that signs, as gpg knows it")
    adding.add_argument("debs", nargs="+", type=Path)
    promoting.add_argument("version")
    options = parser.parse_args()
    try:
        if options.verb == "add":
            add(options.folder, options.key, options.debs)
        else:
            promote(options.folder, options.key, options.version)
    except (ValueError, OSError) as exc:
        sys.exit(f"make-repo: {exc}")
    except subprocess.CalledProcessError as exc:
        sys.exit(f"make-repo: {exc.cmd[0]} failed: {exc.stderr.decode(errors='replace').strip()}")


def add(folder: Path, key: str, debs: list[Path]) -> None:
    """Put packages into canary. A version that is there never changes: another file of its name is refused.

    Raises:
        ValueError: it is there, and differs.
        subprocess.CalledProcessError: gpg or dpkg-deb failed.
    """
    for deb in debs:
        _field(deb, "Package")  # it is one
        place = folder / "pool/canary" / deb.name
        if place.exists() and place.read_bytes() != deb.read_bytes():
            raise ValueError(f"{place} is there, and {deb} differs: give a new build a new version")
        _put(place, deb.read_bytes())
    _publish(folder, key)


def promote(folder: Path, key: str, version: str) -> None:
    """Put a version of canary into stable as well, for each architecture. Raises ValueError: there is none such."""
    found = sorted((folder / "pool/canary").glob(f"*_{version}_*.deb"))
    if not found:
        raise ValueError(f"{version}: canary has no such version in {folder / 'pool/canary'}")
    for deb in found:
        _put(folder / "pool/stable" / deb.name, deb.read_bytes())
    _publish(folder, key)


def _publish(folder: Path, key: str) -> None:
    """Describe what is in each pool. The signed list comes last: until then a box sees the old one, whole."""
    exported = _gpg("--export", key)
    if not exported:
        raise ValueError(f"--key {key}: gpg has no such key")
    _put(folder / KEY_FILE, exported)
    for suite in SUITES:
        sums: dict[str, bytes] = {}
        base = folder / "dists" / suite
        for arch in MACHINES:
            text = "\n".join(_stanza(folder, deb) for deb in sorted((folder / "pool" / suite).glob(f"*_{arch}.deb")))
            for name, data in {"Packages": text.encode(), "Packages.xz": lzma.compress(text.encode())}.items():
                place = f"main/binary-{arch}/{name}"
                sums[place] = data
                _put(base / f"main/binary-{arch}/by-hash/SHA256/{_sha256(data)}", data)
                _put(base / place, data)
        release = _release(suite, sums).encode()
        _put(base / "Release", release)
        _put(base / "Release.gpg", _gpg("--local-user", key, "--armor", "--detach-sign", given=release))
        _put(base / "InRelease", _gpg("--local-user", key, "--clear-sign", given=release))
        _forget_old(base)


def _release(suite: str, sums: dict[str, bytes]) -> str:
    head = {
        "Origin": "shop-agent",
        "Label": "shop-agent",
        "Suite": suite,
        "Codename": suite,
        "Date": format_datetime(datetime.now(UTC), usegmt=True),
        "Architectures": " ".join(MACHINES),
        "Components": "main",
        "Acquire-By-Hash": "yes",
    }
    lines = [f"{name}: {value}" for name, value in head.items()]
    lines += ["SHA256:", *(f" {_sha256(data)} {len(data)} {place}" for place, data in sums.items())]
    return "\n".join(lines) + "\n"


def _stanza(folder: Path, deb: Path) -> str:
    control = subprocess.run(["dpkg-deb", "--field", str(deb)], capture_output=True, check=True).stdout.decode()
    data = deb.read_bytes()
    return f"{control}Filename: {deb.relative_to(folder)}\nSize: {len(data)}\nSHA256: {_sha256(data)}\n"


def _forget_old(base: Path) -> None:
    """Lists that no box can be reading any more."""
    for old in base.glob("main/*/by-hash/SHA256/*"):
        if time.time() - old.stat().st_mtime > _OLD_INDEX_S:
            old.unlink()


def _field(deb: Path, name: str) -> str:
    return subprocess.run(["dpkg-deb", "--field", str(deb), name], capture_output=True, check=True).stdout.decode()


def _gpg(*arguments: str, given: bytes = b"") -> bytes:
    command = ["gpg", "--batch", "--quiet", *arguments]
    return subprocess.run(command, input=given, capture_output=True, check=True).stdout


def _put(place: Path, data: bytes) -> None:
    """As a whole, or not at all; also under a web server's eyes."""
    place.parent.mkdir(parents=True, exist_ok=True)
    growing = place.with_name(f".{place.name}.new")
    growing.write_bytes(data)
    os.utime(growing)
    growing.replace(place)


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


if __name__ == "__main__":
    main()
