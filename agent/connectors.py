"""The way to a printer, by its link: the only place that knows every kind of them, and loads those that there are."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

from agent.config import Printer
from agent.errors import Unavailable
from agent.model.link import SerialLink, TcpLink, UsbLink, UsblpLink
from agent.printers.link import Connector, Link
from agent.printers.tcp import TcpConnector


def connector(printer: Printer, data_dir: Path) -> Connector:
    """The way to a printer, by its link."""
    match printer.link:
        case TcpLink(host, port):
            return TcpConnector(host, port, printer.connect_timeout_s, line_bytes_per_s=printer.link.bytes_per_s)
        case SerialLink():
            from agent.printers.serial import SerialConnector

            return SerialConnector(printer.link)
        case UsblpLink():
            from agent.printers.usblp import UsblpConnector

            return UsblpConnector(printer.link)
        case UsbLink():
            from agent.printers.usb import UsbConnector

            return UsbConnector(printer.link)
        case _:
            return _VirtualConnector(printer.link.name, printer.width, data_dir / "virtual" / printer.link.name)


class _VirtualConnector:
    """A virtual printer lives from the first time that it is wanted. One that can't is away, and ends nobody else."""

    bytes_per_s = TcpConnector.bytes_per_s
    notices_power_cycle = TcpConnector.notices_power_cycle

    def __init__(self, name: str, width: int, folder: Path) -> None:
        from agent.simulator.resident import start_resident  # only a virtual printer pays for it

        self._start: Callable[[], tuple[str, int]] = partial(start_resident, name, width, folder)
        self._folder = folder
        self._way: TcpConnector | None = None

    def forget(self) -> None:
        """See `Connector.forget`: nothing is remembered."""

    def open(self) -> Link:
        """See `Connector.open`."""
        try:
            self._way = self._way or TcpConnector(*self._start())
        except (OSError, ValueError) as exc:
            raise Unavailable(f"{self._folder}: a virtual printer can't live there ({exc})") from exc
        return self._way.open()
