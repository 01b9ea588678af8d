"""The first start of a new box: a configuration of its own making, with the printers that it finds on its USB, and a
ticket that says welcome. A phone does the rest.

Only what is plugged in counts: a printer that is found on the network may be the neighbour's.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from agent import log
from agent.clock import Clock
from agent.config import Config, load, write
from agent.config.edits import NEW_SHOP
from agent.config.warnings import data_dir_unusable
from agent.console.access import Access
from agent.errors import ConfigError
from agent.model.link import Link
from agent.printers.discovery import Found, discover
from agent.service import ServiceThread

LISTEN = "0.0.0.0:8480"
LOOK_S = 3.0
BY = "first-run"
_SYSTEM = Path("/etc")
_log = log.get("firstrun")


def begin(path: Path, links: Sequence[str] = (), listen: str = LISTEN) -> Config:
    """Expect the person who claims a new box, and write its configuration, where there is none. In this order: once
    the configuration is there, no later start comes here. `links` are printers besides those that are found.

    Raises:
        ConfigError: it can't be written; the text says what to do.
    """
    found = [Found(link=link, kind="lan") for link in links] + local_printers({})
    own = {} if _SYSTEM in path.resolve().parents else {"data_dir": "./data"}
    _expect_welcome(load(path, data=msgspec.json.encode({"shop": NEW_SHOP, **own})).data_dir)

    def change(tree: Any) -> None:
        if tree:  # somebody typed one in this moment
            return
        tree.update({"shop": NEW_SHOP, **own})
        tree["console"] = {"listen": listen}
        if found:
            tree["printers"] = [_entry(each, number) for number, each in enumerate(found, 1)]

    write.edit(path, change, by=BY)
    config = load(path)
    _log.info("firstrun.begun", file=str(path), printers=len(config.printers))
    return config


def _expect_welcome(data_dir: Path) -> None:
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        Access(data_dir).expect_welcome()
    except OSError as exc:
        raise ConfigError(data_dir_unusable(data_dir, exc.strerror or str(exc))) from exc


def local_printers(known: dict[str, Link]) -> list[Found]:
    """Those on the USB that can be opened and are not configured."""
    return [each for each in discover(known) if each.kind in ("usblp", "usb") and not each.in_use and not each.note]


class FirstRun(ServiceThread):
    """A service of a new box: prints the welcome ticket, once, and while there is no printer looks for one.

    `print_code` prints a ticket with the code that it asks for; `restart` starts the agent anew.
    """

    name = "first-run"
    limit_s = 90.0

    def __init__(
        self,
        config: Config,
        path: Path | None,
        access: Access,
        clock: Clock,
        print_code: Callable[[Callable[[], str]], str],
        restart: Callable[[], None],
    ) -> None:
        self._config, self._path, self._access = config, path, access
        self._print_code, self._restart = print_code, restart
        super().__init__(clock)

    def alive(self) -> bool:
        """A thread whose work is done is not missed."""
        return not self._stopping.is_set() or super().alive()

    def progress(self) -> float:
        """When it last turned; one that has ended is not stuck."""
        return super().progress() if self._thread.is_alive() else self._clock.monotonic()

    def _run(self) -> None:
        while not self._stopping.wait(0 if self._config.printers else LOOK_S):
            self._turned()
            if not self._access.welcome_due:
                return
            try:
                if self._config.printers:
                    self._welcome()
                    return
                if self._add_printer():
                    return
            except Exception:  # noqa: BLE001  the thread's outermost loop: a person can still do it by hand
                _log.exception("firstrun.failed")
                self._stopping.wait(10 * LOOK_S)

    def _welcome(self) -> None:
        printer = self._print_code(self._access.issue_code)
        self._access.welcomed()
        _log.info("firstrun.welcomed", printer=printer)

    def _add_printer(self) -> bool:
        found = local_printers({})
        if not found or self._path is None:
            return False

        def change(tree: Any) -> None:
            if not tree.get("printers"):  # else somebody typed his own meanwhile, and they are put to use
                tree["printers"] = [_entry(each, number) for number, each in enumerate(found, 1)]

        try:
            write.edit(self._path, change, by=BY)
        except ConfigError as exc:
            _log.error("firstrun.not_written", reason=str(exc))
            return False
        self._restart()
        return True


def _entry(found: Found, number: int) -> dict[str, Any]:
    entry: dict[str, Any] = {"name": f"printer{number}", "link": found.link}
    if found.width:
        entry["width"] = found.width
    if found.profile != "generic":
        entry["profile"] = found.profile
    return entry
