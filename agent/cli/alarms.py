"""`shop-agent alarms`: what needs a person, and a person's word that he has seen what nothing else ends."""

import shlex
from pathlib import Path
from typing import Any

import click

from agent.cli.options import config_option
from agent.cli.talk import LOOK_S, SETTLE_S, ask_agent, in_use, json_option, local, plain, show_json
from agent.config import Config
from agent.control import ask
from agent.report.alarmtext import brief, more


@click.group()
def alarms() -> None:
    """See what needs a person, and end an alarm that nothing else ends."""


@alarms.command("list")
@config_option
@json_option
def list_(config_path: Path, as_json: bool) -> None:
    """Show every alarm that is up, oldest first, with what to do."""
    config = in_use(config_path)
    answer = ask(config.data_dir, {"do": "alarms"}, LOOK_S)
    if as_json:
        show_json(answer)
        return
    for each in answer["alarms"]:
        _show(each, config)
    if not answer["alarms"]:
        click.echo("没有报警 no alarm is up")


@alarms.command()
@click.argument("key")
@config_option
@json_option
def dismiss(key: str, config_path: Path, as_json: bool) -> None:
    """The alarm KEY was seen, and what it speaks of was looked after: it ends. Something new raises it again.

    Only for alarms that nothing else ends, such as parked, journal, missing:SOURCE, number:CHANNEL.
    """
    answer = ask_agent(config_path, {"do": "dismiss", "alarm": key}, SETTLE_S)
    if as_json:
        show_json(answer)
    else:
        click.echo(f"报警已解除 {plain(answer['answer'])}")


def _show(alarm: dict[str, Any], config: Config) -> None:
    said = brief(alarm["key"], alarm["reason"])
    click.echo(plain(alarm["key"], local(alarm["since"], config) if alarm["since"] else "", *said.what))
    if reason := more(alarm["key"], alarm["reason"]):
        click.echo("  " + plain(reason))
    if advice := plain(*said.do):
        click.echo(f"  → {advice}")
    if alarm["dismissable"]:
        click.echo(f"  → 处理后解除 then end it: {plain('shop-agent alarms dismiss ' + shlex.quote(alarm['key']))}")
