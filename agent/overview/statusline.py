"""What `systemctl status shop-agent` shows of the agent: one line, told to systemd when it changes."""

import os
from collections.abc import Callable

from agent.clock import Clock
from agent.overview.state import Overview
from agent.service import sd_notify, status

EACH_S = 5.0
_LINE = {
    "off": "没有云端 no cloud",
    "connecting": "云端连接中 line connecting",
    "up": "云端已连接 line up",
    "down": "云端断开 line down",
}


def line_of(seen: Overview) -> str:
    """Line, printers that print, tickets that wait, and alarms where there are any."""
    ready = sum(printer.state == "ready" and not printer.paused for printer in seen.printers)
    said = [
        _LINE[seen.line.state],
        f"打印机就绪 printers ready {ready}/{len(seen.printers)}",
        f"等待 tickets waiting {seen.tickets.waiting}",
    ]
    if seen.alarms:
        said.append(f"报警 alarms {len(seen.alarms)}: shop-agent status")
    return " · ".join(said)


class StatusLine:
    """`look` tells how all is. Without a systemd that listens nothing is looked at."""

    def __init__(self, look: Callable[[], Overview], clock: Clock, notify: Callable[[str], object] = sd_notify) -> None:
        self._look, self._clock, self._notify = look, clock, notify
        self._told, self._looked_at = "", -EACH_S

    def turn(self) -> None:
        """Look, each 5 s at most, and tell what changed."""
        now = self._clock.monotonic()
        if "NOTIFY_SOCKET" not in os.environ or now - self._looked_at < EACH_S:
            return
        self._looked_at = now
        if (said := line_of(self._look())) != self._told:
            self._told = said
            self._notify(status(said))
