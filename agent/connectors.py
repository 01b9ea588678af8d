"""The way to a printer, by its link: the only place that knows every kind of them."""

from pathlib import Path

from agent.config import Printer
from agent.model.link import SerialLink, TcpLink, UsbLink, UsblpLink
from agent.printers.link import Connector
from agent.printers.serial import SerialConnector
from agent.printers.tcp import TcpConnector
from agent.printers.usb import UsbConnector
from agent.printers.usblp import UsblpConnector


def connector(printer: Printer, data_dir: Path) -> Connector:
    """The way to a printer, by its link."""
    match printer.link:
        case TcpLink(host, port):
            return TcpConnector(host, port, printer.connect_timeout_s)
        case SerialLink():
            return SerialConnector(printer.link)
        case UsblpLink():
            return UsblpConnector(printer.link)
        case UsbLink():
            return UsbConnector(printer.link)
        case _:
            from agent.simulator.resident import start_resident  # only a virtual printer pays for it

            folder = data_dir / "virtual" / printer.link.name
            return TcpConnector(*start_resident(printer.link.name, printer.width, folder))
