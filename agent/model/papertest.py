"""What a person reads on the page for width and characters, and which settings follow from it. Pure."""

from collections.abc import Collection
from typing import Literal

RULERS = (32, 42, 48, 64)
"""Cells: 58 mm paper, 80 mm of some Epsons, 80 mm, and wide paper. Each ruler bears its number at both its ends."""

SAMPLES = {"A": "国 豆浆 煎饼 小笼包", "B": "镕 喆 堃 龘", "C": "国 豆浆 镕 龘"}
"""Lines of Chinese: A in GB2312, B in what only GBK has, C as a picture. Big5 and UTF-8 are never sent to a printer."""


def width_of(unbroken: Collection[int]) -> int:
    """`width` by the rulers that are on one line each, from number to number: the longest; 0 where none is."""
    return max((ruler for ruler in RULERS if ruler in unbroken), default=0)


def charset_of(readable: Collection[str]) -> Literal["gbk", "gb2312", "ascii"]:
    """`charset` by the samples that can be read. With ascii all Chinese is drawn."""
    if "B" in readable:
        return "gbk"
    return "gb2312" if "A" in readable else "ascii"
