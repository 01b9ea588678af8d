"""The picture of docs/console.md and of the README: what a phone shows on a working day.

`.venv/bin/python -m scripts.windowshots [FOLDER]` plays it with a real agent, virtual printers and Debian's Chromium.
"""

import sys
import tempfile
from pathlib import Path
from typing import Any

from PIL import Image

from scripts.firstrun import row, shot
from tests.browser import PHONE, phone
from tests.window import ShopWindow, window

_TONES = 200
ORDERS: dict[int, dict[str, Any]] = {
    41: {
        "fulfil": "dine_in",
        "table": "7",
        "items": [
            {"name": "鲜肉小笼包", "qty": 2, "unit": "笼"},
            {"name": "皮蛋瘦肉粥", "qty": 1, "note": "少盐"},
        ],
    },
    42: {
        "allergies": ["花生"],
        "items": [
            {"name": "煎饼馃子", "qty": 2, "mods": [{"name": "加蛋"}], "note": "不要香菜"},
            {"name": "豆浆", "qty": 2, "unit": "杯", "category": "热饮"},
        ],
    },
    43: {"items": [{"name": "油条", "qty": 1}, {"name": "豆浆", "qty": 1, "category": "热饮"}]},
}


def main(folder: Path) -> None:
    """Write `console.png`: all is well, no paper, tickets, the kitchen, the stations."""
    with tempfile.TemporaryDirectory() as work, window(Path(work)) as shop:
        shots = _play(shop, Path(work))
    row(shots).quantize(_TONES, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE).save(
        folder / "console.png", optimize=True
    )
    print(f"{folder}/console.png")


def _play(shop: ShopWindow, folder: Path) -> list[Image.Image]:
    with phone(shop.port, folder, PHONE, session=shop.me.session) as person:
        page = person.go("/")
        for name in shop.devices:
            shop.until(lambda name=name: shop.agent._prints.workers[name].seen()["state"] == "ready", name)  # type: ignore[misc]
        page.get_by_text("一切正常").wait_for()
        shots = [shot(page.screenshot())]
        shop.devices["wok"].run_out_of_paper()
        shop.order(41, **ORDERS[41])
        page.get_by_text("缺纸").first.wait_for()
        shots.append(shot(page.screenshot()))
        shop.devices["wok"].load_paper()
        for number in (42, 43):
            shop.order(number, **ORDERS[number])
        for number in ORDERS:
            shop.on_paper(number, "wok")
            shop.until(lambda number=number: {*shop.tickets(number).values()} == {"completed"}, "all outcomes")  # type: ignore[misc]
        for path, seen in (("/tickets", "#43"), ("/kitchen", "#41"), ("/stations", "油条")):
            page = person.go(path)
            page.get_by_text(seen).first.wait_for()
            if (papers := page.locator("main img")).count():
                shop.until(lambda papers=papers: papers.first.evaluate("it => it.naturalWidth") > 0, "its paper")  # type: ignore[misc]
            shots.append(shot(page.screenshot()))
    return shots


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path("docs"))
