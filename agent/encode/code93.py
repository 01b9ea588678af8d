"""Code 93 (AIM USS-93): nine modules a character, two check characters, all of ASCII by pairs of characters."""

_CHARS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ-. $/+%"
# Bars and spaces of each value in modules, six digits a value; the last four are the shifts ($) (%) (/) (+).
_WIDTHS = (
    "131112111213111312111411121113121212121311111114131211141111211113211212211311221112221211231111"
    "112113112212112311122112132111111123111222111321121122131121212112212211211122211221221121222111"
    "112122112221122121123111121131311112311211321111112131113121211131121221312111311121122211"
)
_EDGE = "111141"
_SHIFTED = {
    **{chr(ord("a") + i): (46, 10 + i) for i in range(26)},
    **{char: (45, 10 + i) for i, char in enumerate("!\"#$%&'()*+,-./") if char not in _CHARS},
    **{":": (45, 35), "@": (44, 31), "`": (44, 32)},
    **{char: (44, 15 + i) for i, char in enumerate(";<=>?")},
    **{char: (44, 20 + i) for i, char in enumerate("[\\]^_")},
    **{char: (44, 25 + i) for i, char in enumerate("{|}~")},
}


def pattern(text: str) -> str:
    """The bars of a text of printable ASCII, from left to right, one digit a module, 1 is black."""
    values: list[int] = []
    for char in text:
        values += _SHIFTED[char] if char in _SHIFTED else (_CHARS.index(char),)
    for heaviest in (20, 15):
        values.append(sum(value * (i % heaviest + 1) for i, value in enumerate(reversed(values))) % 47)
    widths = "".join([_EDGE, *[_WIDTHS[6 * value : 6 * value + 6] for value in values], _EDGE, "1"])
    return "".join([str((i + 1) % 2) * int(width) for i, width in enumerate(widths)])
