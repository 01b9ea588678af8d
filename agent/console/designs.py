"""What the templates are, in words."""

import msgspec

TEMPLATES = {
    "kitchen": ("后厨小票", "Kitchen ticket"),
    "expo": ("传菜单：整张订单", "Pass: the whole order"),
    "receipt": ("顾客小票", "Customer's receipt"),
    "label": ("杯贴、盒贴", "A label for each cup or box"),
    "changes": ("改单", "A revised order"),
    "cancel": ("作废单", "A cancelled order"),
    "summary": ("迟到订单汇总", "List of late orders"),
    "alarm": ("打印机求助", "A printer needs a person"),
    "welcome": ("欢迎小票、测试页", "Welcome ticket and test page"),
}
PARTS = {
    "_head": ("抬头：单号、堂食外卖", "The head: number, place"),
    "_warnings": ("警示：加急、忌口、备注", "Warnings: rush, allergies, note"),
    "_dishes": ("菜品", "The dishes"),
    "_details": ("菜品的小字", "What stands below a dish"),
    "_foot": ("页脚：时间、渠道", "The foot: times, channel"),
}
"""Of tickets: several templates include them."""


class Design(msgspec.Struct, frozen=True):
    """A template: is it the shop's `own`, which stations print by it, and what is wrong with its file."""

    name: str
    own: bool = False
    stations: list[str] = []
    problem: str = ""

    @property
    def about(self) -> tuple[str, str]:
        """What it is for, in Chinese and English."""
        return TEMPLATES.get(self.name) or PARTS.get(self.name) or ("本店自己的", "the shop's own")
