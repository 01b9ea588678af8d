"""`scripts/matrix`: the broker matrix, by hand."""

import tempfile
from pathlib import Path

import click
import msgspec

from tests.matrix.brokers import KINDS
from tests.matrix.run import Column, column
from tests.matrix.table import insert, merge, render

ROOT = Path(__file__).parents[2]
DOCUMENT = ROOT / "docs/brokers.md"
RESULTS = ROOT / "docs/evidence/brokers.json"
_NAMES = [kind.kind for kind in KINDS]


def results() -> list[Column]:
    """Every column that was ever written down."""
    return msgspec.json.decode(RESULTS.read_bytes(), type=list[Column]) if RESULTS.exists() else []


def write_down(columns: list[Column]) -> None:
    """The document's tables from these results, and the results themselves."""
    RESULTS.write_bytes(msgspec.json.format(msgspec.json.encode(columns), indent=1) + b"\n")
    DOCUMENT.write_text(insert(DOCUMENT.read_text("utf-8"), columns), "utf-8")


@click.command()
@click.option("--broker", "names", multiple=True, type=click.Choice(_NAMES), help="only these; all else")
@click.option("--protocol", "protocols", multiple=True, type=click.Choice(["5", "3.1.1"]), default=("5", "3.1.1"))
@click.option("--write", is_flag=True, help="renew what was run in docs/brokers.md and docs/evidence/brokers.json")
@click.option("--folder", type=click.Path(file_okay=False, path_type=Path), help="keep the logs there")
def main(names: tuple[str, ...], protocols: tuple[str, ...], write: bool, folder: Path | None) -> None:
    """Measure every broker that is installed, and play a shop on it; 1 when the agent lost or doubled anything."""
    folder = folder or Path(tempfile.mkdtemp(prefix="matrix-"))
    click.echo(f"logs are in {folder}")
    columns: list[Column] = []
    for kind in KINDS:
        if names and kind.kind not in names:
            continue
        if reason := kind.missing():
            click.echo(f"{kind.kind}: left out: {reason}")
            continue
        for protocol in protocols:
            columns.append(column(kind, protocol, folder / kind.kind / protocol, click.echo))
            if write:
                write_down(merge(results(), columns[-1:]))
    click.echo(render(columns))
    bad = [each for each in columns if not each.fine]
    for each in bad:
        click.echo(f"{each.name}: " + "; ".join(each.faults), err=True)
    raise SystemExit(bool(bad))


if __name__ == "__main__":
    main()
