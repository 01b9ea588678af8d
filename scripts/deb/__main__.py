"""scripts/build-deb [amd64|arm64]..."""

import argparse
import os
import re
import subprocess
import sys
from pathlib import Path

from agent import __version__
from scripts.deb.build import build
from scripts.deb.wheels import MACHINES

_VERSION = re.compile(r"[0-9][A-Za-z0-9.+~]*")


def main() -> None:
    """Build one package for each architecture, and say where it is and how big."""
    parser = argparse.ArgumentParser(prog="scripts/build-deb", description=__doc__)
    parser.add_argument("arches", nargs="*", metavar="amd64|arm64", help="both, where none is named")
    parser.add_argument("--version", default=__version__, help="of the package, and what the agent in it says")
    parser.add_argument("--out", type=Path, default=Path("dist"), help="where to (dist)")
    options = parser.parse_args()
    if unknown := set(options.arches) - set(MACHINES):
        parser.error(f"{', '.join(sorted(unknown))}: there are packages for {' and '.join(MACHINES)} only")
    if not _VERSION.fullmatch(options.version):
        parser.error(f"--version {options.version}: a version starts with a digit and holds letters, digits, . + ~")
    if "SOURCE_DATE_EPOCH" not in os.environ:
        os.environ["SOURCE_DATE_EPOCH"] = _newest_commit()
    os.umask(0o022)
    for arch in options.arches or MACHINES:
        package = build(arch, options.version, options.out)
        print(f"{package}  {package.stat().st_size / 1e6:.1f} MB")


def _newest_commit() -> str:
    asked = ["git", "log", "-1", "--format=%ct"]
    done = subprocess.run(asked, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit("build-deb: not a git checkout: set SOURCE_DATE_EPOCH to the time of these sources")
    return done.stdout.strip()


if __name__ == "__main__":
    main()
