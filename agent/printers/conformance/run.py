"""Runs the checks on one printer, each in a thread of its own: a driver that hangs shall not hang the report."""

import platform
import threading
from collections.abc import Callable, Sequence

from agent import __version__
from agent.clock import Clock, SystemClock
from agent.errors import PrinterError
from agent.printers.conformance.bench import Bench, Pace
from agent.printers.conformance.report import Report, Result
from agent.printers.conformance.table import CHECKS, Check
from agent.printers.conformance.verdict import Answer, Failed, Passed, Person, Skipped, Verdict, Words
from agent.printers.link import Connector
from agent.printers.meeting import Patience

_WATCH_EACH_S = 0.05
_UNREACHABLE = (
    "打印机连不上：开电源，查线，地址用 shop-agent printers scan 找；停掉正在用它的程序，再检验一次 "
    "the printer can't be reached: turn it on, look at its cable, find its address with shop-agent printers scan, "
    "stop what else prints on it, and check again"
)


def run_checks(
    connector: Connector,
    *,
    link: str = "",
    other: Connector | None = None,
    paper: bool = True,
    person: Person | None = None,
    dots: int = 576,
    checks: Sequence[Check] = CHECKS,
    patience: Patience | None = None,
    pace: Pace | None = None,
    clock: Clock | None = None,
    on_start: Callable[[Check], None] = lambda _: None,
) -> Report:
    """Try everything that can be tried on this printer, which nobody else may be using; takes some minutes.

    `link` is only shown. `other` leads to the same printer and stands for another program. Without `paper` nothing is
    printed; without a `person` nothing is tried that needs one, and the report says what is to be looked at. Ctrl-C
    ends it with the report so far.
    """
    clock = clock or SystemClock()
    bench = Bench(connector, other, clock, patience or Patience(), pace or Pace(), dots, person)
    results: list[Result] = []
    date, ended_by = clock.utc().strftime("%Y-%m-%d %H:%M:%S UTC"), ""
    try:
        for check in checks:
            on_start(check)
            result, hangs = _run(check, bench, paper, person)
            results.append(result)
            if hangs:
                ended_by = f"{check.name} hangs, so nothing more can be tried; pull the printer's cable"
                break
            if not bench.reachable:
                ended_by = _UNREACHABLE
                break
    except KeyboardInterrupt:
        ended_by = "stopped by a person"
    bench.stopped = True
    kernel = f"{platform.system()} {platform.release()} {platform.machine()}"
    return Report(date, __version__, kernel, link, bench.identity, bench.facts, bench.known, tuple(results), ended_by)


def _run(check: Check, bench: Bench, paper: bool, person: Person | None) -> tuple[Result, bool]:
    """The result of one check, and whether it hangs."""
    if reason := _why_not(check, bench, paper, person):
        return Result(check.name, check.zh, check.en, Skipped(reason), 0.0, 0, 0), False
    bench.begin()
    started = bench.clock.monotonic()
    verdict, hangs = _watched(check, bench)
    took_s = round(bench.clock.monotonic() - started, 3)
    meter = bench.meter
    if isinstance(verdict, Passed) and meter.faults:
        verdict = Failed(meter.faults[0])
    looks = tuple(bench.looks) if not isinstance(verdict, Failed) else ()
    if person is not None and looks:
        verdict, looks = _looked_at(person, verdict, looks)
    if isinstance(verdict, Failed) and check.needs_paper and not hangs:
        bench.resync()
    return Result(check.name, check.zh, check.en, verdict, took_s, meter.bytes_out, meter.bytes_in, looks), hangs


def _why_not(check: Check, bench: Bench, paper: bool, person: Person | None) -> str:
    if check.needs_known and bench.known is None:
        return "it is not known what it can prove"
    if check.needs_paper and not paper:
        return "nothing was to be printed"
    if check.needs_person and person is None:
        return "needs a person at the printer: --interactive"
    return ""


def _watched(check: Check, bench: Bench) -> tuple[Verdict, bool]:
    """Run it; a call that never returns is left behind with its thread."""
    found: list[Verdict | BaseException] = []

    def work() -> None:
        try:
            found.append(check.run(bench))
        except PrinterError as exc:
            found.append(Failed(str(exc)))
        except BaseException as exc:  # noqa: BLE001  # a bug of ours: it is raised again where it is seen
            found.append(exc)

    thread = threading.Thread(target=work, name=f"check-{check.name}", daemon=True)
    thread.start()
    while thread.is_alive():
        thread.join(_WATCH_EACH_S)
        if thread.is_alive() and (call := bench.meter.overdue(bench.pace.hang_s)):
            return Failed(f"{call} never returned"), True
    (result,) = found
    if isinstance(result, BaseException):
        raise result
    return result, False


def _looked_at(person: Person, verdict: Verdict, looks: tuple[Words, ...]) -> tuple[Verdict, tuple[Words, ...]]:
    """Ask for what is on paper; what a person is not sure of stays in the report."""
    unsure = []
    for look in looks:
        match person.says(look):
            case Answer.NO:
                return Failed(f"a person says no: {look.en}"), ()
            case Answer.UNSURE:
                unsure.append(look)
            case Answer.YES:
                pass
    return verdict, tuple(unsure)
