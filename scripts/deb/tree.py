"""What the package puts where on the box."""

import gzip
import hashlib
import os
import re
import shutil
import textwrap
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path

from scripts.deb import locked, manual, wheels

PROJECT = Path(__file__).parents[2]
MAINTAINER = re.search(r"^Maintainer: (.*)$", (PROJECT / "packaging/control").read_text(), re.M)
_PLACES = {
    "systemd/shop-agent.service": "usr/lib/systemd/system",
    "systemd/shop-agent-boot.service": "usr/lib/systemd/system",
    "systemd/shop-agent-writable.service": "usr/lib/systemd/system",
    "systemd/shop-agent-recover.service": "usr/lib/systemd/system",
    "systemd/shop-agent-retry.timer": "usr/lib/systemd/system",
    "systemd/shop-agent-update.service": "usr/lib/systemd/system",
    "systemd/shop-agent-update.timer": "usr/lib/systemd/system",
    "systemd/60-shop-agent-printers.rules": "usr/lib/udev/rules.d",
    "systemd/journald-shop-agent.conf": "usr/lib/systemd/journald.conf.d/60-shop-agent.conf",
    "systemd/watchdog-shop-agent.conf": "usr/lib/systemd/system.conf.d/60-shop-agent.conf",
    "systemd/sysctl-shop-agent.conf": "usr/lib/sysctl.d/60-shop-agent.conf",
    "systemd/avahi-shop-agent.xml": "etc/avahi/services/shop-agent.service",
    "systemd/fstab.read-only": "usr/share/doc/shop-agent/examples",
    "packaging/lintian-overrides": "usr/share/lintian/overrides/shop-agent",
    "packaging/copyright": "usr/share/doc/shop-agent/copyright",
    "config/shop-agent.example.yaml": "usr/share/doc/shop-agent/examples",
    "README.md": "usr/share/doc/shop-agent",
}
_TOLD = (".md", ".json", ".yaml")
"""Of docs/: what is read. Pictures are for the project's page."""
_NOT_TOLD = ("decisions", "evidence")
_DOC = Path("usr/share/doc/shop-agent")
HOME, PACKAGES = "usr/lib/shop-agent", "packages-"
_PACKAGES_TIME = int(datetime(2020, 1, 1, tzinfo=UTC).timestamp())


def lay_out(root: Path, arch: str, version: str, epoch: int) -> None:
    """All files of the package under `root`. Raises RuntimeError or ValueError where a dependency can't be had."""
    home = root / HOME
    _put_agent(home / version, version)
    _put_packages(home, version, arch, root / _DOC / wheels.LICENSES)
    (home / "version").write_text(f"{version}\n")
    _put_launcher(root / "usr/bin/shop-agent")
    for source, place in _PLACES.items():
        name = Path(source).name
        folder = place.endswith((".d", "system", "examples", "doc/shop-agent"))
        _copy(PROJECT / source, root / place / name if folder else root / place)
    _put_docs(root / _DOC)
    _put_words(root, version, epoch)
    _add_licenses(root / _DOC)


def settle(root: Path, epoch: int) -> None:
    """Every file and folder as an installer wants it: root's, readable, and of the time `epoch`; the packages always of
    the same time, by which Python knows what it has compiled.
    """
    programs = root / "usr/bin"
    packages = f"{root}/{HOME}/{PACKAGES}"
    for path in [root, *sorted(root.rglob("*"))]:
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or path.parent == programs else 0o644)
        time = _PACKAGES_TIME if str(path).startswith(packages) else epoch
        os.utime(path, (time, time), follow_symlinks=False)


def _locked() -> str:
    return locked.runtime((PROJECT / "requirements.lock").read_text(), (PROJECT / "pyproject.toml").read_text())


def _put_agent(home: Path, version: str) -> None:
    shutil.copytree(PROJECT / "agent", home / "agent", ignore=shutil.ignore_patterns("__pycache__", "*.pyc"))
    told = home / "agent/__init__.py"
    text, count = re.subn(r'^__version__ = ".*"$', f'__version__ = "{version}"', told.read_text(), flags=re.M)
    if count != 1:
        raise ValueError('agent/__init__.py: expected one line __version__ = "…"')
    told.write_text(text)


def _put_packages(home: Path, version: str, arch: str, licenses: Path) -> None:
    """In a folder named after what is in it: a newer version that needs the same finds it there, and compiled."""
    unpacked = home / "packages"
    wheels.vendor(_locked(), arch, unpacked)
    shutil.copytree(unpacked / wheels.LICENSES, licenses)
    shutil.rmtree(unpacked / wheels.LICENSES)
    content = hashlib.sha256()
    for path in sorted(path for path in unpacked.rglob("*") if path.is_file()):
        content.update(f"{path.relative_to(unpacked)}\0{path.stat().st_size}\0".encode() + path.read_bytes())
    kept = unpacked.rename(home / f"{PACKAGES}{content.hexdigest()[:12]}")
    (home / version / "packages").write_text(f"{kept.name}\n")


def _put_launcher(place: Path) -> None:
    place.parent.mkdir(parents=True)
    place.write_text((PROJECT / "packaging/launcher").read_text().replace("@PYTHONS@", repr(wheels.PYTHONS)))


def _put_docs(folder: Path) -> None:
    for source in sorted((PROJECT / "docs").rglob("*")):
        below = source.relative_to(PROJECT)
        if source.is_file() and source.suffix in _TOLD and below.parts[1] not in _NOT_TOLD:
            _copy(source, folder / below)
    _copy(PROJECT / "docs/brokers/acl", folder / "docs/brokers/acl")


def _put_words(root: Path, version: str, epoch: int) -> None:
    page = manual.man_page(version, epoch)
    for place, text in {
        Path("usr/share/man/man1/shop-agent.1.gz"): page,
        _DOC / "changelog.gz": changelog((PROJECT / "CHANGELOG.md").read_text(), version, epoch),
    }.items():
        (root / place).parent.mkdir(parents=True, exist_ok=True)
        (root / place).write_bytes(gzip.compress(text.encode(), 9, mtime=0))
    for shell, place in manual.COMPLETIONS.items():
        (root / place).parent.mkdir(parents=True, exist_ok=True)
        (root / place).write_text(manual.completion(shell).strip() + "\n")


def changelog(told: str, version: str, epoch: int) -> str:
    """CHANGELOG.md as Debian's tools read it: one entry for each `## VERSION`, the newest under `version`."""
    assert MAINTAINER is not None
    when = format_datetime(datetime.fromtimestamp(epoch, UTC))
    entries = []
    for number, section in enumerate(re.split(r"^## ", told, flags=re.M)[1:]):
        named, _, body = section.partition("\n")
        name = named.split()[0] if number else version
        points = re.findall(r"^- (.*(?:\n  .*)*)", body, re.M) or ["See CHANGELOG.md."]
        lines = [_wrapped(re.sub(r"[`*]", "", " ".join(point.split()))) for point in points]
        head = f"shop-agent ({name}) stable; urgency=medium\n\n"
        entries.append(head + "\n".join(lines) + f"\n\n -- {MAINTAINER[1]}  {when}\n")
    return "\n".join(entries)


def _wrapped(text: str) -> str:
    return textwrap.fill(text, 78, initial_indent="  * ", subsequent_indent="    ", break_long_words=False)


def _add_licenses(doc: Path) -> None:
    """Name each package that is in it, and where its license stands."""
    with (doc / "copyright").open("a") as file:
        for folder in sorted((doc / wheels.LICENSES).iterdir()):
            texts = {path.name: path.read_text(errors="replace") for path in sorted(folder.iterdir())}
            found = re.search(r"^\W*(Copyright\b.*\d{4}.*|.*\(c\).*\d{4}.*)$", "\n".join(texts.values()), re.M | re.I)
            holder = found[1].strip() if found else f"the authors of {folder.name}"
            where = ", ".join(f"/{_DOC}/{wheels.LICENSES}/{folder.name}/{name}" for name in texts)
            file.write(f"\nFiles: usr/lib/shop-agent/packages-*/{folder.name}*\nCopyright: {holder}\n")
            file.write(f"License: {folder.name}-license\n Its text is in\n " + where.replace(", ", ",\n ") + "\n")


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target, dirs_exist_ok=True)
    else:
        shutil.copyfile(source, target)
