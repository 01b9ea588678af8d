"""The ticket that makes who reads it the box's owner: a code, the box's address, and what was found on the way."""

import socket
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from agent.config import Config, Printer
from agent.config.console import PORT, Console
from agent.console.rooms import Refusal, Seen
from agent.errors import JournalError
from agent.journal import notices
from agent.journal.store import Journal
from agent.model.address import parse_host_port
from agent.model.link import TcpLink
from agent.model.ticket import WELCOME, Notice
from agent.printers.lan import own_networks

_NO_PRINTER = (
    "没有打印机：请接上一台，或在盒子上运行 sudo shop-agent reset-pin。 "
    "There is no printer: plug one in, or run that at the box."
)
_ANY = ("", "0.0.0.0", "::")
_WELL = ("ready", "connecting")


class ClaimTicket:
    """`wake` tells a printer that there is something to print."""

    def __init__(
        self, config: Config, journal: Journal, workers: Mapping[str, Seen], wake: Callable[[set[str]], None]
    ) -> None:
        self._config, self._journal, self._workers, self._wake = config, journal, workers, wake

    def print(self, issue: Callable[[], str]) -> str:
        """Print the code that `issue` gives, where one can be printed; returns the printer's name, once it is on disk.

        Raises:
            Refusal: there is no printer, or the journal takes nothing.
        """
        printer = choose(self._config.printers, {name: worker.seen() for name, worker in self._workers.items()})
        if printer is None:
            raise Refusal(409, _NO_PRINTER)
        if self._journal.full or self._journal.failed is not None:
            raise Refusal(503, "磁盘已满或损坏 the disk is full or broken; at the box run: sudo shop-agent reset-pin")
        code, address = issue(), page_address(self._config)
        link = f"{address}/claim?code={code}" if address else ""
        notice = Notice(printer.name, WELCOME, code=code, link=link, checks=self._checks(printer, address))
        try:
            self._journal.write(lambda tx: notices.post_welcome(tx, notice, printer.name))
        except JournalError as exc:
            raise Refusal(503, str(exc)) from exc
        self._wake({printer.name})
        return printer.name

    def _checks(self, printer: Printer, address: str) -> tuple[str, ...]:
        network = (
            f"✓ 网络 network: {address.removeprefix('http://')}"
            if address
            else "✗ 没有网络 no network: 插网线 plug in the cable"
        )
        cloud = (
            "✓ 云端已设置 cloud is set up"
            if self._config.broker
            else "! 云端未设置 no cloud yet: 在手机上设置 on the phone"
        )
        return (f"✓ 打印机 printer: {printer.name}", network, cloud)


def choose(printers: Sequence[Printer], seen: Mapping[str, Mapping[str, Any]]) -> Printer | None:
    """The printer for what only the staff shall see: one that works, plugged in sooner than on the network, and of
    these the first that was written down: who has just added one does not get to see it.
    """
    order = sorted(
        printers,
        key=lambda each: (seen.get(each.name, {}).get("state") not in _WELL, isinstance(each.link, TcpLink)),
    )
    return order[0] if order else None


def page_address(config: Config) -> str:
    """Where a phone finds the pages, without a / at its end; empty without a network, or where there are none."""
    if not isinstance(config.console, Console) or not config.console.pages:
        return ""
    host, port = parse_host_port(config.console.listen, PORT)
    host = own_address() if host in _ANY else host
    return f"http://{f'[{host}]' if ':' in host else host}:{port}" if host else ""


def own_address() -> str:
    """This box's address on the shop's network, also where no way leads out of that; empty without one. Nothing is
    sent.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as line:
        try:
            line.connect(("192.0.2.1", 9))  # an address for documentation: only the route to it is looked up
            return str(line.getsockname()[0])
        except OSError:
            return next((each.address for each in own_networks() if each.address), "")
