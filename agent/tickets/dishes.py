"""What to make: a dish with its quantity, and beside it whatever is said of it."""

from collections.abc import Iterator

from agent.model.layout import Block, Line, Run, Style
from agent.model.order import Item, Modifier
from agent.model.ticket import Language, Portion
from agent.tickets.words import amount, is_one, lines, say, sets, total, visible

NAME = Style(1, 2, True)
QUANTITY = Style(2, 2, True)
DETAIL = Style(1, 1, True)
NOTE = Style(1, 2, True)
SMALL = Style()
FLAG = Style(1, 1, False, True)
VOID = Style(1, 2, False, True)

STEP = 2  # cells by which each level of a set meal stands further in
MAX_FIELD = 2000
MAX_LINES = 30
_CUT_SHORT = "…(截断 cut, see console)"


def dishes(portion: Portion, language: Language, *, depth: int = 0, void: bool = False) -> Iterator[Block]:
    """A dish, what is said of it, and its parts. `void` says on each line that it is off."""
    yield _dish(portion, language, depth, void)
    yield from _details(portion, language, (depth + 1) * STEP)
    for part in portion.parts:
        yield from dishes(part, language, depth=depth + 1, void=void)


def paragraph(label: str, text: str, style: Style, indent: int = 2) -> list[Block]:
    """A note: its own line breaks are kept as far as they don't waste paper, and it is capped, visibly."""
    said = lines(shortened(text))
    if len(said) > MAX_LINES:
        said[MAX_LINES:] = [" / ".join(said[MAX_LINES:])]
    if not said:
        return []
    said[0] = " " * (indent - STEP) + label + said[0]
    said[1:] = [" " * indent + line for line in said[1:]]
    return [Line((Run(line, style),), indent=indent) for line in said]


def shortened(text: str) -> str:
    """A name or a note of a sane length. The whole of it is on the console."""
    return text if len(text) <= MAX_FIELD else text[:MAX_FIELD] + _CUT_SHORT


def _dish(portion: Portion, language: Language, depth: int, void: bool) -> Line:
    item = portion.item
    left = [Run(" " * STEP * (depth - 1) + "└", NAME)] if depth else []
    if void:
        left += [Run("作废", VOID), Run(" ", NAME)]
    name = shortened(item.name.strip()) if visible(item.name) else say(language, "无名", "no name")
    left.append(Run(name, NAME))
    if item.name2:
        left.append(Run(" " + shortened(item.name2), SMALL))
    return Line(tuple(left), _quantity(portion), indent=(depth + 1) * STEP)


def _quantity(portion: Portion) -> tuple[Run, ...]:
    """What stands at the right margin: for a part of several sets the total, as far as it can be told."""
    whole = total(portion)
    numbers = [portion.item.qty, *sets(portion.parents)] if whole is None else [whole]
    runs = [Run(" ".join(f"x{amount(number)}" for number in numbers), QUANTITY)]
    if portion.item.unit:
        runs.append(Run(portion.item.unit, NAME))
    return tuple(runs)


def _shares(portion: Portion, language: Language) -> str:
    """How the quantity of a part of several sets comes about."""
    multiples = sets(portion.parents)
    if not multiples:
        return ""
    each = f"{say(language, '每套', 'each')} x{amount(portion.item.qty)}"
    return "  ".join([each, *(f"{say(language, '套数', 'sets')} x{amount(number)}" for number in multiples)])


def _details(portion: Portion, language: Language, indent: int) -> Iterator[Block]:
    item, margin = portion.item, " " * indent
    if portion.unrouted:
        wanted = f": {portion.wanted}" if portion.wanted else ""
        text = f" {say(language, '未分派', 'unrouted')}{wanted} "
        yield Line((Run(margin), Run(text, FLAG)), indent=indent)
    if portion.parents and not indent > STEP:
        whole = " > ".join(f"{shortened(parent.name)} x{amount(parent.qty)}" for parent in portion.parents)
        yield Line((Run(f"{margin}{say(language, '属', 'part of')}: {whole}", DETAIL),), indent=indent)
    if shares := _shares(portion, language):
        yield Line((Run(margin + shares, DETAIL),), indent=indent)
    if portion.elsewhere:
        text = f"{margin}{say(language, '部分另见', 'parts at')}: {', '.join(portion.elsewhere)}"
        yield Line((Run(text, DETAIL),), indent=indent)
    if places := "  ".join(_places(item, language)):
        yield Line((Run(margin + places, DETAIL),), indent=indent)
    if item.mods:
        text = "  ".join(_modifier(mod) for mod in item.mods)
        yield Line((Run(margin + text, DETAIL),), indent=indent + STEP)
    if item.note:
        yield from paragraph("※", item.note, NOTE, indent + STEP)


def _places(item: Item, language: Language) -> Iterator[str]:
    """Where the dish goes: seat, course, basket."""
    for zh, en, value in (
        ("座", "seat", item.seat),
        ("道", "course", item.course),
        ("篮", "basket", item.basket),
    ):
        if value is not None and (text := str(value).strip()):
            yield f"{say(language, zh, en)} {text}"


def _modifier(mod: Modifier) -> str:
    name = shortened(mod.name).strip()
    return f"+{name}" if is_one(mod.qty) else f"+{name} x{amount(mod.qty)}"
