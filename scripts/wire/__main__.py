"""Writes docs/protocol/, the description of the wire, or says where it is not what the code says."""

import json
from pathlib import Path
from typing import Any

import click
import yaml

from scripts.wire.examples import examples
from scripts.wire.schemas import asyncapi, schemas

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "protocol"
_HEAD = "# Made by scripts/protocol of the code. Do not edit.\n"


def files() -> dict[str, str]:
    """Every file of the description, by its path in the folder."""
    known = examples()
    found = {f"schemas/{name}.json": _json(schema) for name, schema in schemas().items()}
    found |= {f"examples/{name}.json": _json(payload) for each in known.values() for name, payload in each.items()}
    # Through JSON: what stands in two places must not become a YAML alias, which many tools can't read.
    document = json.loads(json.dumps(asyncapi(known)))
    found["asyncapi.yaml"] = _HEAD + yaml.safe_dump(document, allow_unicode=True, sort_keys=False, width=120)
    return found


def drift(folder: Path = FOLDER) -> list[str]:
    """Files that are missing, too many, or not what the code says."""
    wanted = files()
    there = {str(file.relative_to(folder)): file.read_text("utf-8") for file in folder.rglob("*") if file.is_file()}
    there.pop("README.md", None)
    return sorted(name for name in wanted.keys() | there.keys() if wanted.get(name) != there.get(name))


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2) + "\n"


@click.command()
@click.option("--check", is_flag=True, help="Write nothing; exit 1 where the files are not what the code says.")
def main(check: bool) -> None:
    """Write the description of the wire."""
    wrong = drift()
    if check:
        for name in wrong:
            click.echo(f"docs/protocol/{name} is not what the code says: run scripts/protocol", err=True)
        raise SystemExit(bool(wrong))
    wanted = files()
    for name in wrong:
        file = FOLDER / name
        if name not in wanted:
            file.unlink()
            continue
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(wanted[name], "utf-8")
    click.echo(f"docs/protocol: {len(wanted)} files, {len(wrong)} changed")


if __name__ == "__main__":
    main()
