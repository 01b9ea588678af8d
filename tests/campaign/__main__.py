"""The campaign from the command line: the tables, the stories of what went wrong, and exit code 1 if anything did.

On real USB devices, in the guest of tests/vm, which has four sockets and is slow where it is emulated:

    python -m tests.vm run --timeout 3600 -- python -m tests.campaign --cable usblp --printers 4 --tickets 300 --per-s 2
    python -m tests.vm run --timeout 3600 -- python -m tests.campaign --cable usb --printers 4 --tickets 200 --per-s 2
"""

import shutil
import tempfile
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import click

from tests.campaign.fleet import serve
from tests.campaign.mishaps import KINDS, USB
from tests.campaign.outcome import stories, table
from tests.campaign.run import Plan, campaign
from tests.vm.sockets import sockets


@click.command()
@click.option("--tickets", default=1000, help="How many tickets are ordered, over all stations.")
@click.option("--printers", default=16)
@click.option("--cable", type=click.Choice(["tcp", "pty", "mixed", *USB]), default="mixed")
@click.option("--tiers", default="123", help="Which tiers the printers have.")
@click.option("--seed", default=1)
@click.option("--per-s", default=12.0, help="Orders a second, at most.")
@click.option("--calm", default=5, help="The most tickets between two mishaps at a printer.")
@click.option("--changes", default=0.1, help="The share of orders that are changed or taken back.")
@click.option("--only", multiple=True, type=click.Choice([kind.name for kind in KINDS]), help="Only these mishaps.")
@click.option("--also", multiple=True, type=click.Choice([k.name for k in KINDS if k.asked]), help="And these.")
@click.option("--without", multiple=True, type=click.Choice([kind.name for kind in KINDS]), help="But not these.")
@click.option("--patience", "patience_s", default=240.0, help="Seconds that are waited for the last tickets.")
@click.option("--backups", is_flag=True, help="Each printer stands in for the one before it.")
@click.option("--settings", default="", help="More lines for the agent's configuration.")
@click.option("--stories", "most", default=10, help="How many of each kind of finding are told in full.")
def main(tiers: str, most: int, **options: Any) -> None:
    """Thousands of tickets on printers that fail."""
    folder = Path(tempfile.mkdtemp(prefix="campaign-"))
    plan = Plan(tiers=tuple(map(int, tiers)), **options)
    with sockets(plan.cable) if plan.cable in USB else nullcontext(serve) as plug:
        finished = campaign(plan, folder, click.echo, plug)
    outcome, chronicle, members = finished.outcome, finished.chronicle, finished.members
    if not outcome.fine:
        click.echo(stories(outcome, chronicle, members, finished.log, most))
    v = outcome.verdict
    click.echo(
        f"\nseed {plan.seed}: {v.orders} orders, {v.owed} tickets owed, {v.whole} whole on paper, {v.stood_in} of"
    )
    click.echo(
        f"them by a stand-in, {v.amended} amendments, {v.voids} voids, {v.notices} notices; {outcome.seconds:.0f} s\n"
    )
    click.echo(table(outcome, chronicle, members))
    click.echo(f"\nunalarmed for 10 s: {len(outcome.unalarmed)}, never settled: {len(outcome.untold)}")
    if outcome.fine:
        shutil.rmtree(folder)
    else:
        click.echo(f"NOT FINE: {len(outcome.findings)} findings; the agent's log is {finished.log}")
    raise SystemExit(not outcome.fine)


if __name__ == "__main__":
    main()
