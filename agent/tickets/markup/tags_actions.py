"""What tags can do, for the tables of the dialects: sizes, places, codes, pictures."""

from collections.abc import Callable, Mapping
from typing import TypeVar

from agent.encode.text import cells
from agent.model.layout import Align, Border, Code, Cut, Frame, Gap, Image, Rule, Run, Style, Symbology
from agent.tickets.markup.tags import Attrs, Held, Point, Span
from agent.tickets.markup.tags_sheet import Look, Sheet, Stand, TagError

T = TypeVar("T")

ALIGNS = {"left": Align.LEFT, "center": Align.CENTER, "right": Align.RIGHT}
YES = {"": True, "yes": True, "1": True, "no": False, "0": False}
LEVELS = {level: level for level in "lmqh"}


def known(attrs: Attrs, *names: str) -> None:
    """Raises TagError if there is an attribute of another name."""
    if attrs and not attrs.keys() <= set(names):
        raise TagError(f"attributes are {', '.join(names)}")


def number(attrs: Attrs, name: str, default: int, least: int, most: int) -> int:
    """An attribute that is a number. Raises TagError if it is none, or out of bounds."""
    if name not in attrs:
        return default
    text = attrs[name]
    if not (text.isdecimal() and len(text) <= 5 and least <= int(text) <= most):
        raise TagError(f"{name} is {least} to {most}")
    return int(text)


def choice(attrs: Attrs, name: str, values: Mapping[str, T], default: T) -> T:
    """An attribute that is a word. Raises TagError if it is none of these."""
    if name not in attrs:
        return default
    if attrs[name].lower() not in values:
        raise TagError(f"{name} is one of {', '.join(values)}")
    return values[attrs[name].lower()]


def styled(
    width: int = 0,
    height: int = 0,
    *,
    bold: bool | None = None,
    inverted: bool | None = None,
    underlined: bool | None = None,
    align: Align | None = None,
    fit: bool = False,
) -> Span:
    """A tag that sets what is given here, and leaves the rest as it stands around it. One that aligns ends its line."""

    def change(look: Look, attrs: Attrs) -> Look:
        known(attrs)
        return turned(look, width, height, bold, inverted, underlined, align, fit)

    return Span(change, leave=None if align is None else Sheet.part)


def turned(
    look: Look,
    width: int = 0,
    height: int = 0,
    bold: bool | None = None,
    inverted: bool | None = None,
    underlined: bool | None = None,
    align: Align | None = None,
    fit: bool = False,
) -> Look:
    """A look with what is given: 0 and None leave it as it is."""
    old, stand = look.style, look.stand
    style = Style(
        width or old.width,
        height or old.height,
        old.bold if bold is None else bold,
        old.inverted if inverted is None else inverted,
        old.underlined if underlined is None else underlined,
    )
    if align is not None or fit:
        stand = Stand(stand.align if align is None else align, stand.indent, stand.fit or fit)
    return Look(style, stand)


def cut(sheet: Sheet, attrs: Attrs) -> None:
    """Cut the paper."""
    known(attrs)
    sheet.block(Cut())


def rule(sheet: Sheet, attrs: Attrs) -> None:
    """A line across the paper, or of the table."""
    known(attrs, "char")
    char = attrs.get("char", "-")
    if not (len(char) == 1 and "!" <= char <= "~"):
        raise TagError("char is one visible ASCII character")
    sheet.block(Frame() if sheet.border is Border.LINE else Rule(char))


def gap(sheet: Sheet, attrs: Attrs) -> None:
    """White paper."""
    known(attrs, "dots")
    sheet.block(Gap(number(attrs, "dots", 10, 0, 255)))


def tab(sheet: Sheet, attrs: Attrs) -> None:
    """What follows stands at the right margin."""
    known(attrs)
    sheet.side = sheet.right


def alert(sheet: Sheet, attrs: Attrs) -> None:
    """A sound."""
    known(attrs)
    sheet.beep = True


def drawer(sheet: Sheet, attrs: Attrs) -> None:
    """A pulse at the drawer's port."""
    known(attrs)
    sheet.drawer = True


def place(sheet: Sheet, attrs: Attrs, default: Align) -> Align:
    """Where a symbol or a picture stands: as its attribute says, else as the tags around it, else by default."""
    around = sheet.look.stand.align
    return choice(attrs, "align", ALIGNS, default if around is Align.LEFT else around)


def code(symbology: Symbology, default: Align = Align.CENTER) -> Held:
    """A tag that is a QR code or a barcode of its content."""

    def act(sheet: Sheet, attrs: Attrs, content: str) -> None:
        known(attrs, "size", "h", "level", "caption", "align")
        print_code(
            sheet,
            symbology,
            content,
            module=number(attrs, "size", 0, 0, 16),
            height=number(attrs, "h", 80, 1, 255),
            level=choice(attrs, "level", LEVELS, "m"),
            caption=choice(attrs, "caption", YES, True),
            align=place(sheet, attrs, default),
        )

    return Held(act)


def print_code(
    sheet: Sheet,
    symbology: Symbology,
    content: str,
    *,
    module: int = 0,
    height: int = 80,
    level: str = "m",
    caption: bool = True,
    align: Align = Align.CENTER,
) -> None:
    """A QR code or a barcode. Without content it is nothing."""
    if text := content.strip():
        sheet.block(Code(symbology, text, module, height, level, caption, align))


def reach(sheet: Sheet, stop: Callable[[int], int]) -> None:
    """Blanks from the column where the line stands to the column that `stop` makes of it, in cells."""
    sheet.text(" ")
    runs = reversed(sheet.side)
    if next(runs, Run("")).text != " ":
        return
    column = 0
    for run in runs:
        if run is sheet.reached[0]:
            column += sheet.reached[1]
            break
        column += cells(run.text) * run.style.width
    blanks = Run(" " * (stop(column) - column))
    sheet.side[-1], sheet.reached = blanks, (blanks, stop(column))


def idle(name: str) -> Callable[[Sheet, Attrs], None]:
    """A setting of theirs that we don't have: it is no text, so that it is not printed, but somebody should know."""

    def act(sheet: Sheet, _attrs: Attrs) -> None:
        sheet.report(f"<{name}>", " has no effect here")

    return act


def picture(sheet: Sheet, name: str, width: int, align: Align) -> None:
    """A picture of the shop's, by its name. One that is not there is reported."""
    data = sheet.images.get(name)
    if data is None:
        sheet.report(f"picture {name}", " is not there")
    else:
        sheet.block(Image(data, width, align))


def logo(sheet: Sheet, attrs: Attrs) -> None:
    """The shop's logo."""
    known(attrs)
    picture(sheet, "logo", 0, place(sheet, attrs, Align.CENTER))


def _apart(sheet: Sheet, attrs: Attrs) -> None:
    known(attrs)
    sheet.flush()


LOGO, CUT, DRAWER, ALERT = map(Point, (logo, cut, drawer, alert))
TWO = Span(enter=_apart, leave=Sheet.part, box=True)
"""A line of its own, of a left and a right part."""
