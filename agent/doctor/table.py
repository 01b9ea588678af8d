"""All checks, and how they are run: each on a thread of its own, none for longer than its limit."""

import threading
import time
from collections.abc import Callable, Iterable
from functools import partial

from agent.doctor import disk, files, line, place, printers, running, times
from agent.doctor.case import Case
from agent.doctor.finding import Check, Finding, look

ALL_S = 30.0
CHECKS: dict[str, Callable[[Case], Iterable[Finding]]] = {
    "config": files.config,
    "secrets": files.secrets,
    "data_dir": files.data_dir,
    "agent": running.agent,
    "clock": times.clock,
    "timezone": times.timezone,
    "disk": disk.room,
    "wear": disk.wear,
    "logs": disk.logs,
    "fonts": place.fonts,
    "memory": place.memory,
    "port": place.port,
    "line": line.line,
    "alarms": running.alarms,
}
"""By name, in the order in which they are shown; each printer follows before the alarms."""
ANYBODYS = ("config", "clock", "timezone", "disk", "wear", "fonts", "memory")
"""What also somebody can look at who is neither root nor the agent's user."""
LIMITS_S = {"line": line.LIMIT_S}


def checks(case: Case) -> list[Check]:
    """Those that this shop has, and whoever asks may look at."""
    if case.barred:
        allowed = [Check(name, partial(CHECKS[name], case)) for name in ANYBODYS]
        return [Check("agent", partial(running.barred, case)), *allowed]
    found = [Check(name, partial(run, case), LIMITS_S.get(name, 5.0)) for name, run in CHECKS.items()]
    of_printers = [
        Check(f"printer:{printer.name}", partial(printers.look_at, printer, case), printers.LIMIT_S)
        for printer in (case.config.printers if case.config is not None else ())
    ]
    return [*found[:-1], *of_printers, found[-1]]


def run_all(case: Case) -> list[Finding]:
    """All of them at once; what takes too long or fails is a finding too. Blocks for half a minute at most."""
    began = time.monotonic()
    jobs = [_Job(check) for check in checks(case)]
    for job in jobs:
        job.thread.start()
    return [finding for job in jobs for finding in job.result(began)]


class _Job:
    """A check under way. A thread that hangs is left behind: the process ends soon."""

    def __init__(self, check: Check) -> None:
        self._check = check
        self._found: list[Finding] = []
        self.thread = threading.Thread(target=self._run, name=f"doctor-{check.name}", daemon=True)

    def _run(self) -> None:
        try:
            for finding in self._check.run():
                self._found.append(finding)
        except Exception as exc:  # noqa: BLE001  a check of ours that fails costs none of the others
            said = f"{type(exc).__name__}: {exc}"
            why = (f"这项没查成：{said}", f"this check failed: {said}")
            self._found.append(look(self._check.name, why, _REPORT))

    def result(self, began: float) -> list[Finding]:
        """What it found in time."""
        self.thread.join(max(0.0, began + min(self._check.limit_s, ALL_S) - time.monotonic()))
        found = list(self._found)
        if self.thread.is_alive():
            why = (f"{self._check.limit_s:.0f} 秒还没查完", f"it took longer than {self._check.limit_s:.0f} s")
            found.append(look(self._check.name, why, ("过一会儿再查", "Look again in a moment")))
        return found


_REPORT = ("请联系安装方：shop-agent support-bundle", "Ask the installer: shop-agent support-bundle")
