"""The gallery: each template of the agent with its sample ticket, on 58 and 80 mm, in Chinese, English and both."""

import argparse
from collections.abc import Iterator
from html import escape
from io import BytesIO
from pathlib import Path

import msgspec
from PIL import Image

from agent.encode.picture import png
from agent.encode.typeset import typeset
from agent.model.ticket import Language, Notice
from agent.tickets.sample import samples
from agent.tickets.subject import Alarm, Expo, Subject
from agent.tickets.template import Book, shipped

WIDTHS = {32: "58 mm", 48: "80 mm"}
SHEET_HEIGHT = 1400
_GAP, _DESK = 24, 190


def main(folder: Path) -> None:
    """Write every picture, one sheet with all of them in both languages, and a page that shows them."""
    folder.mkdir(parents=True, exist_ok=True)
    book = shipped()
    names = sorted(name.removesuffix(".j2") for name in book.names if not name.startswith("_"))
    made = [picture for name in names for picture in _pictures(book, name, folder)]
    figures = "\n".join(f"<figure><img src='{p.name}'><figcaption>{escape(p.stem)}</figcaption></figure>" for p in made)
    style = "body{background:#bbb;display:flex;flex-wrap:wrap;align-items:flex-start;gap:1em}img{width:320px}"
    (folder / "index.html").write_text(f"<!doctype html><meta charset=utf-8><style>{style}</style>{figures}", "utf-8")
    for width in WIDTHS:
        sheet(sorted(folder.glob(f"*-{width}-both.png"))).save(folder / f"sheet-{width}.png", optimize=True)
    print(f"{len(made)} pictures of {len(names)} templates: {folder}/index.html")


def _pictures(book: Book, name: str, folder: Path) -> Iterator[Path]:
    for language in Language:
        subject = _in(samples(name)[-1 if name == "expo" else 0], language)
        for width in WIDTHS:
            layout, error = book.layout(name, subject, width)
            if error is not None:
                raise SystemExit(str(error))
            file = folder / f"{name}-{width}-{language}.png"
            file.write_bytes(png(typeset(layout, width), width))
            yield file


def _in(subject: Subject, language: Language) -> Subject:
    if isinstance(subject, Expo):
        return Expo(msgspec.structs.replace(subject.ticket, language=language), subject.shares)
    if isinstance(subject, Notice):
        subject = Alarm(subject)
    return msgspec.structs.replace(subject, language=language)


def sheet(files: list[Path]) -> Image.Image:
    """The pictures side by side on a desk, in columns of at most SHEET_HEIGHT dots."""
    pictures = [Image.open(BytesIO(file.read_bytes())).convert("L") for file in files]
    columns: list[list[Image.Image]] = [[]]
    for picture in sorted(pictures, key=lambda each: -each.height):
        fits = (
            column for column in columns if sum(each.height + _GAP for each in column) + picture.height <= SHEET_HEIGHT
        )
        column = next(fits, None)
        if column is None:
            columns.append([picture])
        else:
            column.append(picture)
    columns = [column for column in columns if column]
    width = max(each.width for each in pictures)
    height = max(sum(each.height + _GAP for each in column) for column in columns) + _GAP
    desk = Image.new("L", (len(columns) * (width + _GAP) + _GAP, height), _DESK)
    for at, column in enumerate(columns):
        y = _GAP
        for picture in column:
            desk.paste(picture, (_GAP + at * (width + _GAP), y))
            y += picture.height + _GAP
    return desk


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(prog="scripts/gallery", description=__doc__)
    arguments.add_argument("folder", nargs="?", default="gallery", type=Path, help="where they go (default: gallery)")
    main(arguments.parse_args().folder)
