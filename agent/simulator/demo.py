"""The demo: a breakfast shop with two printers, orders and accidents, on this machine alone. See scripts/demo --help.

Headless it ends with a verdict on the paper, and exits 0 only when that is as it should be.
"""

import contextlib
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path

import click

from agent.simulator.play import ACCIDENTS, Play
from agent.simulator.scene import Scene
from agent.simulator.verdict import Fault, Verdict

DRAIN_S = 90.0


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--headless", is_flag=True, help="No page: play, wait until all is quiet, judge the paper, exit 0 or 1.")
@click.option("--seconds", default=20.0, show_default=True, help="How long a headless demo takes orders.")
@click.option("--seed", default=1, show_default=True, help="The same seed makes up the same orders.")
@click.option("--rate", type=click.FloatRange(0.01, 100), help="Events a second.  [default: 0.25, headless 1.5]")
@click.option("--port", default=0, help="The page's port on 127.0.0.1.  [default: a free one]")
def main(headless: bool, seconds: float, seed: int, rate: float | None, port: int) -> None:
    """A shop with two printers, on this machine: watch its tickets come out, and make things go wrong."""
    # An exception, so that whatever was started is ended; by default SIGTERM would leave it behind.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    if headless:
        raise SystemExit(play_headless(seconds, seed, rate or 1.5))
    from agent.simulator.demopage import serve  # needs the packages of the `demo` extra

    serve(seed, rate or 0.25, port)


def play_headless(seconds: float, seed: int, rate: float) -> int:
    """Play for so long, judge the paper, print the summary; the exit code. The logs are kept when something failed."""
    folder = Path(tempfile.mkdtemp(prefix="shop-agent-demo-"))
    try:
        wrong = _play_out(folder, seconds, seed, rate)
    except (KeyboardInterrupt, SystemExit):
        shutil.rmtree(folder, ignore_errors=True)
        raise
    if wrong:
        click.echo("\n".join([*wrong, f"The paper is not as it should be. The logs are in {folder}"]))
        return 1
    shutil.rmtree(folder)
    click.echo("Every order is on paper, once or marked.")
    return 0


def _play_out(folder: Path, seconds: float, seed: int, rate: float) -> list[str]:
    """The whole play, from the first order to the judge; what is wrong, in words."""
    every_s = max(0.8, seconds / (len(ACCIDENTS) + 1))
    with contextlib.closing(Scene(folder)) as scene:
        scene.start()
        play = Play(scene, seed, rate, every_s, mend_s=min(4.0, every_s / 2))
        play.on_note(lambda note: click.echo(f"  {note.at}  {note.zh}  {note.en}"))
        click.echo(f"The shop is open for {seconds:g} s (seed {seed}, {rate:g} events a second).")
        play.start()
        time.sleep(seconds)
        play.stop()
        click.echo("The shop is closed. Waiting until the last ticket is out.")
        wrong = [] if scene.wait_until_quiet(DRAIN_S) else unsettled(scene)
        verdict = scene.verdict()
        click.echo(summary(scene, play, verdict))
    return wrong + [str(finding) for finding in verdict.findings]


def unsettled(scene: Scene) -> list[str]:
    """What the agent still owes a report of, in words; it is said too when paper moves without end."""
    missing = [f"unsettled: order #{number} has no final report" for number in scene.unsettled()]
    return missing or [f"unsettled: not quiet {DRAIN_S:g} s after the last order"]


def summary(scene: Scene, play: Play, verdict: Verdict) -> str:
    """The count of everything, a line each."""
    cloud = scene.cloud
    lines = {
        "orders published": verdict.orders,
        "events published": len(cloud.events),
        "tickets expected": verdict.owed,
        "tickets on paper": verdict.whole,
        "  amended 改单": verdict.amended,
        "  taken back 作废": verdict.voids,
        "  marked reprints 补打": verdict.reprints,
        "torn pieces, each answered": verdict.partials - verdict.count(Fault.PARTIAL),
        "duplicates suppressed": len(cloud.reported("order.state", state="duplicate")),
        "faults played": play.faults,
        "agent restarts": scene.restarts,
        "lost": verdict.count(Fault.LOST),
        "unmarked duplicates": verdict.count(Fault.DOUBLED),
        "unmarked partials": verdict.count(Fault.PARTIAL),
        "strangers, outdated, wrong": sum(map(verdict.count, (Fault.STRANGER, Fault.OUTDATED, Fault.WRONG))),
    }
    return "\n".join(f"{name:<28}{count:>6}" for name, count in lines.items())


if __name__ == "__main__":
    main(prog_name="scripts/demo")
