"""Random ReceiptLine documents: the whole grammar, mixed."""

import random

WORDS = [
    *(
        "tea",
        "豆浆",
        "油条",
        "a",
        "12.50",
        "soy milk",
        "x",
        "，",
        "（大）",
        "~",
        "~~",
        "_",
        '"',
        "`",
        "-",
        "=",
        " ",
        "  ",
    ),
    *("\\|", "\\{", "\\}", "\\\\", "\\-", "\\=", "\\~", "\\_", '\\"', "\\`", "\\^", "\\n", "\\x41", "\\x7c", "\\x1b"),
    *("\t", "￥5", "\x01"),
]
SIZES = ["^" * times for times in range(1, 10)]
PROPERTIES = {
    ("border", "b"): ["line", "space", "none", "0", "1", "2", "LINE"],
    ("align", "a"): ["left", "center", "right", "Right"],
    ("text", "t"): ["wrap", "nowrap", "NoWrap"],
    ("code", "c"): ["12345678", "a\\;b", "2012345678903"],
    ("option", "o"): ["code128,hri", "qrcode 4 h", "code39,2,72", "code93 3"],
    ("comment", "_"): ["anything\\; at all"],
}


class Writer:
    """Writes random documents without what we do otherwise on purpose: large text has room, and so has Chinese."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.kind = chance.choice(["large", "chinese", "ascii"])

    def document(self) -> str:
        newline = self.chance.choice(["\n", "\r\n", "\r"])
        return newline.join([self.line() for _ in range(self.chance.randrange(1, 12))])

    def line(self) -> str:
        match self.chance.choices(["rule", "cut", "properties", "text"], [8, 5, 22, 65])[0]:
            case "rule":
                return "-" * self.chance.randrange(1, 40)
            case "cut":
                return "=" * self.chance.randrange(1, 5)
            case "properties":
                return self.properties()
        count = self.chance.randrange(1, 3 if self.kind == "large" else 6)
        if self.kind == "ascii" and self.chance.random() < 0.1:
            count = self.chance.randrange(1, 40)
        edge = self.chance.choice
        cells = [edge(["", "", " ", "\t"]) + self.cell() + edge(["", "", " ", " \t"]) for _ in range(count)]
        return edge(["", "", "|", " |"]) + "|".join(cells) + edge(["", "", "|", "| "])

    def cell(self) -> str:
        words = WORDS + SIZES if self.kind == "large" else WORDS
        if self.kind == "ascii":
            words = [word for word in words if word.isascii()]
        return "".join(self.chance.choices(words, k=self.chance.randrange(9)))

    def properties(self) -> str:
        pick = self.chance.choice
        members = []
        for _ in range(self.chance.randrange(1, 4)):
            keys = pick([*PROPERTIES, ("width", "w")])
            value = pick(PROPERTIES[keys]) if keys in PROPERTIES else self.widths()
            members.append(pick(["", " "]) + pick(keys) + pick([":", " : "]) + value + pick(["", " "]))
        edges = pick([("", ""), ("|", ""), ("", "|"), (" |", "| ")])
        return edges[0] + "{" + ";".join(members) + pick(["", ";"]) + "}" + edges[1]

    def widths(self) -> str:
        if self.kind == "large":
            return self.chance.choice(["auto", "14,14", "14 15", "*,14"])
        few, least, most = (4, 3, 9) if self.kind == "chinese" else (7, 0, 60)
        widths = [
            self.chance.choice(["*", str(self.chance.randrange(least, most)), "*" if least else ""])
            for _ in range(self.chance.randrange(1, few))
        ]
        return self.chance.choice(["AUTO", ",".join(widths)]) if set(widths) - {"", "0"} else "*"
