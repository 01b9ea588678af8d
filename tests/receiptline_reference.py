"""What ReceiptLine's reference renderer prints: the npm package, run by node, and its outputs kept beside the corpus.

`python -m tests.receiptline_reference` writes tests/receiptline/NAME.txt for every NAME.receipt again.
"""

import contextlib
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

PACKAGES = {"receiptline": "4.0.4", "iconv-lite": "0.6.3", "pngjs": "5.0.0", "safer-buffer": "2.1.2"}
CORPUS = Path(__file__).parent / "receiptline"
WIDTHS = (32, 48)
INSTALL_S, RENDER_S = 40, 60

_CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "shop-agent" / "npm"
_INSTALL = ["npm", "install", "--ignore-scripts", "--no-audit", "--no-fund", "--fetch-retries=0", "--loglevel=error"]
_SCRIPT = Path(__file__).with_suffix(".js")


class MissingError(Exception):
    """There is no reference here: no node, or no registry to get it from. Says why."""


def install() -> Path:
    """The folder with the reference in it, fetched once and kept. Raises MissingError."""
    folder, why = _installed()
    if why:
        raise MissingError(why)
    return folder


@lru_cache(maxsize=1)
def _installed() -> tuple[Path, str]:
    """The folder, and why the reference is not in it: asked once, as a registry that is away is slow to say so."""
    folder = _CACHE / f"receiptline-{PACKAGES['receiptline']}"
    for tool in ("node", "npm"):
        if shutil.which(tool) is None:
            return folder, f"no {tool} here"
    if folder.exists():
        return folder, ""
    _CACHE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=_CACHE) as fresh:
        made = Path(fresh) / "made"
        made.mkdir()
        (made / "package.json").write_text(json.dumps({"private": True, "dependencies": PACKAGES}))
        try:
            subprocess.run(_INSTALL, cwd=made, check=True, capture_output=True, text=True, timeout=INSTALL_S)
        except subprocess.CalledProcessError as exc:
            return folder, f"npm install: {exc.stderr.strip().partition(chr(10))[0]}"
        except subprocess.TimeoutExpired:
            return folder, "npm install: the registry does not answer"
        with contextlib.suppress(OSError):  # another test process was faster
            made.rename(folder)
    return folder, ""


def render(asked: Sequence[tuple[str, int]]) -> list[str]:
    """What the reference prints for each document at its characters per line. Raises MissingError.

    Lines of text; ⟦2x2b:text⟧ is large or decorated (b bold, i inverted, u underlined); cuts, codes and pictures are
    lines of their own in such brackets.
    """
    folder = install()
    command = ["node", "-e", _SCRIPT.read_text(encoding="utf-8")]
    given = json.dumps(asked)
    done = subprocess.run(
        command, cwd=folder, input=given, check=True, capture_output=True, encoding="utf-8", timeout=RENDER_S
    )
    answers: list[str] = json.loads(done.stdout)
    return answers


def read(document: Path) -> str:
    """The text of a document, with its own line ends."""
    return document.read_bytes().decode()


def examples() -> list[Path]:
    """The documents that come with the reference: the examples of the specification. Raises MissingError."""
    return sorted((install() / "node_modules" / "receiptline" / "example" / "data").glob("*/*.receipt"))


def golden(document: Path) -> dict[int, str]:
    """The kept output of the reference for a document of the corpus, by characters per line."""
    parts = read(document.with_suffix(".txt")).split(_HEAD)[1:]
    return {int(head): text for head, _, text in (part.partition("\n") for part in parts)}


_HEAD = "#### cpl "


def main() -> None:
    """Write the golden files."""
    documents = sorted(CORPUS.glob("*.receipt"))
    asked = [(read(document), width) for document in documents for width in WIDTHS]
    answers = iter(render(asked))
    for document in documents:
        text = "".join([f"{_HEAD}{width}\n{next(answers)}" for width in WIDTHS])
        document.with_suffix(".txt").write_bytes(text.encode())


if __name__ == "__main__":
    main()
