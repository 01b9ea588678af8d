"""The menu of a breakfast shop in Shanghai, and what its customers are like. Words and prices only."""

import msgspec

HOT, COLD = "热饮", "冷饮"
DRINKS = (HOT, COLD)


class Dish(msgspec.Struct, frozen=True):
    """Something to order. `price` is in 分; `weighed` goods are sold by a decimal quantity."""

    sku: str
    category: str
    name: str
    name2: str
    unit: str
    price: int
    mods: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    weighed: bool = False


class SetMeal(msgspec.Struct, frozen=True):
    """Several dishes at one price: sku and quantity of each."""

    sku: str
    name: str
    name2: str
    price: int
    parts: tuple[tuple[str, int], ...]


_SUGAR = ("不要糖", "少糖", "多糖", "加热", "打包")
_NOODLES = ("加荷包蛋", "多葱", "少油", "重辣", "免葱", "加面")
_ICE = ("去冰", "少冰", "少糖")

DISHES = (
    Dish("DJ01", HOT, "现磨豆浆", "Soy milk", "杯", 300, _SUGAR, ("不要太烫", "吸管多一根")),
    Dish("DJ02", HOT, "黑豆豆浆", "Black soy milk", "杯", 450, _SUGAR),
    Dish("DJ03", HOT, "咸豆浆", "Savoury soy milk", "碗", 500, ("加辣油", "免虾皮", "加油条")),
    Dish("NC01", HOT, "热鲜奶", "Hot milk", "杯", 600, ("加热",)),
    Dish("LD01", COLD, "冰豆浆", "Iced soy milk", "杯", 400, _ICE),
    Dish("LD02", COLD, "桂花酸梅汤", "Plum juice", "杯", 600, _ICE, ("分两杯装",)),
    Dish("YT01", "点心", "油条", "Youtiao", "根", 250, ("复炸", "剪开"), ("要脆一点",)),
    Dish("XL01", "点心", "鲜肉小笼包", "Pork soup dumplings", "笼", 1600, ("加姜丝", "多醋"), ("皮别破", "醋分开放")),
    Dish("XL02", "点心", "蟹粉小笼包", "Crab soup dumplings", "笼", 3600, ("加姜丝", "多醋")),
    Dish("SJ01", "点心", "生煎馒头", "Pan-fried buns", "两", 1000, ("多芝麻", "免葱", "底煎焦点")),
    Dish("GT01", "点心", "牛肉锅贴", "Beef potstickers", "份", 1400, ("加辣油",)),
    Dish("CB01", "点心", "葱油饼", "Scallion pancake", "张", 500, ("加蛋", "少油"), ("切四块",)),
    Dish("CF01", "点心", "粢饭团", "Sticky rice roll", "个", 800, ("加咸蛋黄", "加肉松", "免榨菜")),
    Dish("CD01", "点心", "茶叶蛋", "Tea egg", "只", 250),
    Dish("MS01", "面粥", "葱油拌面", "Scallion oil noodles", "碗", 1200, _NOODLES, ("面硬一点", "酱油少放")),
    Dish("MS02", "面粥", "辣肉面", "Spicy pork noodles", "碗", 1800, _NOODLES, ("汤多一点",)),
    Dish("HT01", "面粥", "鲜肉小馄饨", "Pork wonton soup", "碗", 1300, ("免紫菜", "加虾皮", "重胡椒")),
    Dish("DH01", "面粥", "咸豆花", "Savoury tofu", "碗", 600, ("加辣油", "免香菜", "免虾皮")),
    Dish("ZH01", "面粥", "皮蛋瘦肉粥", "Congee", "碗", 900, ("免皮蛋", "免葱")),
    Dish("NR01", "熟食", "酱牛肉", "Braised beef", "斤", 9800, ("切薄片",), (), True),
)
BY_SKU = {dish.sku: dish for dish in DISHES}

SET_MEALS = (
    SetMeal("TC01", "单人早餐套餐", "Breakfast for one", 990, (("YT01", 1), ("DJ01", 1), ("CD01", 1))),
    SetMeal("TC02", "双人小笼套餐", "Dumplings for two", 3980, (("XL01", 2), ("DJ01", 2), ("CB01", 1))),
    SetMeal(
        "TC03", "全家福套餐", "Family feast", 8880, (("SJ01", 4), ("HT01", 2), ("YT01", 4), ("LD02", 2), ("DJ03", 2))
    ),
)

ORDER_NOTES = (
    "少辣",
    "不要香菜",
    "赶地铁，请快一点🙏",
    "孩子吃的，不要放辣",
    "打包分开装，汤别洒",
    "送到3号楼门口，别按门铃，宝宝在睡觉👶",
    "多给一份醋和姜丝",
    "老客人了，油条要刚出锅的😋",
    "发票抬头稍后告知",
    "先上豆浆，面等人到齐再下",
)
ALLERGIES = ("花生", "虾", "鸡蛋", "芝麻", "牛奶", "麸质")
SURNAMES = "张王李赵陈刘杨黄周吴徐孙马朱胡林郭何高罗"
LEVELS = ("银卡", "金卡", "钻石卡")
CHANNELS = ("alipay", "alipay", "meituan", "eleme", "counter")
REASONS = (("客人不要了", "customer"), ("点错了，重新下单", "customer"), ("蟹粉售完", "shop"), ("骑手取消", "courier"))
