"""A kitchen ticket as people write it with python-escpos: about what ours says, a call for each thing."""

from typing import Any

from escpos.printer import Network, Serial  # type: ignore[import-untyped]  # it has no types


def open_printer(where: str) -> Any:
    """The printer at host:port, or at the end of a serial line."""
    host, _, port = where.partition(":")
    printer = Network(host, int(port)) if port else Serial(where, baudrate=19200)
    printer.open()
    return printer


def print_ticket(printer: Any, order: dict[str, Any]) -> None:
    """Print one order. python-escpos has no Chinese code page: the text goes out raw, as its users do it."""
    printer.set(align="center", custom_size=True, width=2, height=2)
    printer.text(f"#{order['no']}\n")
    printer.set(align="left", custom_size=True, width=1, height=1)
    line = chinese(printer)
    line(f"桌号 Table: {order['table']}   {order['guests']}人   {order['fulfil']}   {order['channel']}")
    line(f"下单 Placed: {order['placed_at'][11:19]}")
    if order["customer"]:
        line(f"顾客: {order['customer']['name']} 尾号{order['customer']['phone_tail']}")
    if order["allergies"]:
        line(f"过敏 ALLERGY: {' '.join(order['allergies'])}")
    if order["note"]:
        line(f"备注 NOTE: {order['note']}")
    line("-" * 48)
    for item in order["items"]:
        printer.set(bold=True, custom_size=True, width=1, height=2)
        line(f"x{item['qty']} {item['unit']}  {item['name']}  {item['name2']}")
        printer.set(bold=False, custom_size=True, width=1, height=1)
        for mod in item["mods"]:
            line(f"    + {mod['name']}")
        if item["note"]:
            line(f"    * {item['note']}")
    line("-" * 48)
    printer.cut()


def chinese(printer: Any) -> Any:
    """A function that prints a line of Chinese."""
    return lambda text: printer._raw(text.encode("gb18030") + b"\n")
