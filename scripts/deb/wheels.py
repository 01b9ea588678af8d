"""The agent's Python packages, as one folder that serves each of the box's Pythons: what is compiled bears its Python's
name, and the rest is the same.
"""

import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

PYTHONS = ((3, 11), (3, 13))
"""Debian 12's and Debian 13's."""
MACHINES = {"amd64": "x86_64", "arm64": "aarch64"}
LICENSES = "licenses"
_GLIBC = range(36, 16, -1)
"""The minor versions of glibc 2 whose wheels run here; the newest is Debian 12's."""
_DEAD_WEIGHT = (
    "*.pyi",
    "*.c",
    "*.h",
    "py.typed",
    "barcode/fonts/*",
    "PIL/_imagingtk.*",
    "PIL/_avif.*",  # no ticket shows a picture of that kind, and its library is 5 MB
    "pillow.libs/libavif-*",
    "PIL/_webp.*",
    "PIL/_imagingcms.*",
    "pillow.libs/liblcms2-*",
    "cffi/*",  # writes bindings; what uses one needs its _cffi_backend only
    "pycparser/*",
    "anyio/_backends/_trio.py",
)
_KEPT_OF_INFO = "METADATA"


def vendor(requirements: str, arch: str, folder: Path) -> None:
    """Download the wheels, with their hashes checked, and unpack them into `folder`; the licenses of each go into
    `folder/licenses`, by its name.

    Raises:
        RuntimeError: pip failed, or two wheels bring different files of one name.
    """
    with tempfile.TemporaryDirectory() as work:
        listed = Path(work) / "runtime.txt"
        listed.write_text(requirements)
        for python in PYTHONS:
            got = Path(work) / f"{python[0]}.{python[1]}"
            _download(listed, arch, python, got)
            for wheel in sorted(got.glob("*.whl")):
                _unpack(wheel, folder)
    _strip(folder, arch)


def _download(listed: Path, arch: str, python: tuple[int, int], into: Path) -> None:
    platforms = [f"manylinux_2_{minor}_{MACHINES[arch]}" for minor in _GLIBC] + [f"manylinux2014_{MACHINES[arch]}"]
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--require-hashes", "--no-deps"]
    command += ["--only-binary=:all:", "--implementation=cp", f"--python-version={python[0]}.{python[1]}"]
    command += [f"--platform={name}" for name in platforms]
    done = subprocess.run(
        [*command, "--dest", str(into), "--requirement", str(listed)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(f"pip download for {arch}, Python {python[0]}.{python[1]}:\n{done.stderr}")


def _unpack(wheel: Path, folder: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        for name, place in _places(archive):
            target = folder / place
            data = archive.read(name)
            if target.exists() and target.read_bytes() != data:
                raise RuntimeError(f"{wheel.name}: its {place} differs from another wheel's")
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data)


def _places(archive: zipfile.ZipFile) -> Iterator[tuple[str, PurePosixPath]]:
    """What of a wheel is kept, and where."""
    for name in archive.namelist():
        path = PurePosixPath(name)
        if path.parts[0].endswith(".data") and path.parts[1] in ("purelib", "platlib"):
            raise RuntimeError(f"{name}: a wheel of an older make, which is not unpacked here")
        dead = "tests" in path.parts or path.parts[0].endswith(".data") or any(map(path.match, _DEAD_WEIGHT))
        if dead or name.endswith("/"):
            continue
        if not path.parts[0].endswith(".dist-info") or path.name == _KEPT_OF_INFO:
            yield name, path
        elif path.name.upper().startswith(("LICEN", "COPYING", "NOTICE", "EDL", "EPL")):
            yield name, PurePosixPath(LICENSES, path.parts[0].partition("-")[0], path.name)


def _strip(folder: Path, arch: str) -> None:
    tool = f"{MACHINES[arch]}-linux-gnu-strip"
    if shutil.which(tool) is None:
        raise RuntimeError(f"{tool} is missing: sudo apt install binutils-{MACHINES[arch].replace('_', '-')}-linux-gnu")
    for library in sorted(folder.rglob("*.so*")):
        subprocess.run([tool, "--strip-unneeded", str(library)], check=True)
        library.chmod(0o644)
