"""`shop-agent printers`: how they are, what one can prove, and a person's word that an exchanged one is right."""

from contextlib import closing
from pathlib import Path
from typing import Any

import click

from agent.cli.check import check
from agent.cli.options import config_option
from agent.cli.talk import LOOK_S, PROBE_S, json_option, plain, show_json
from agent.config import Config, Printer, load
from agent.control import ask
from agent.errors import AgentNotRunning, CommandRefused

STATES = {
    "ready": "就绪 ready",
    "connecting": "连接中 connecting",
    "away": "连不上 away",
    "other": "换了机器 another device",
    "needs_human": "需要人 needs a person",
}
TIERS = {
    "process_id": "一票一控 process ID: it says of each ticket that it is printed",
    "status": "流控 status: it says when it got past a ticket",
    "none": "只写 write only: it never answers, so tickets are presumed printed",
}
NEEDS = {
    "paper": "缺纸 paper",
    "cover": "开盖 cover",
    "cutter": "切刀 cutter",
    "error": "故障 error",
    "offline": "脱机 offline",
}
_name = click.argument("name")


@click.group()
def printers() -> None:
    """See the printers, and ask one of them what it can prove."""


printers.add_command(check)


@printers.command("list")
@config_option
@json_option
def list_(config_path: Path, as_json: bool) -> None:
    """Show every printer: where it is, how it is, what it can prove, and what waits for it."""
    answer = ask(load(config_path).data_dir, {"do": "printers"}, LOOK_S)
    if as_json:
        show_json(answer)
        return
    if not answer["printers"]:
        click.echo("配置里没有打印机 the configuration names no printer")
    for printer in answer["printers"]:
        _show(printer)


@printers.command()
@_name
@config_option
@json_option
def probe(name: str, config_path: Path, as_json: bool) -> None:
    """Ask the printer NAME what it can prove. Nothing is printed.

    Where no agent runs the printer is asked over a link of this command's own.
    """
    config = load(config_path)
    printer = _configured(config, name)
    try:
        answer = ask(config.data_dir, {"do": "probe", "printer": name}, PROBE_S)
    except AgentNotRunning:
        answer = _ask_directly(config, printer)
    _tell(answer, printer, as_json)


@printers.command()
@_name
@config_option
@json_option
def accept(name: str, config_path: Path, as_json: bool) -> None:
    """Whatever stands in the place of the printer NAME is that printer from now on: it was exchanged."""
    config = load(config_path)
    printer = _configured(config, name)
    _tell(ask(config.data_dir, {"do": "accept", "printer": name}, PROBE_S), printer, as_json)


def _configured(config: Config, name: str) -> Printer:
    try:
        return config.printer(name)
    except KeyError:
        there = ", ".join(printer.name for printer in config.printers) or "none"
        raise click.BadParameter(f"there is no printer '{name}'; there is {there}", param_hint="NAME") from None


def _ask_directly(config: Config, printer: Printer) -> dict[str, Any]:
    """While no agent works here."""
    from agent.answers import introduce  # they load every room
    from agent.app import connector, unattended
    from agent.clock import SystemClock
    from agent.model.acquaintance import Facts, Known
    from agent.model.link import VirtualLink
    from agent.model.printer import Tier
    from agent.model.profile import PROFILES
    from agent.printers.meeting import Meeting, Patience

    if isinstance(printer.link, VirtualLink):
        raise CommandRefused(f"{printer.link} lives in the agent: start it, and ask again")
    cable = connector(printer, config.data_dir)
    wanted = None if printer.confirm == "auto" else Tier[printer.confirm.upper()]
    with unattended(config.data_dir), closing(cable.open()) as link:
        meeting = Meeting(link, SystemClock(), cable, Patience(), PROFILES[printer.profile])
        can = meeting.probe(wanted)
        if can is None:
            need = meeting.status.need
            raise CommandRefused(f"{printer.name} needs a person first: {NEEDS.get(need or '', need)}; then ask again")
        firmware, *model = meeting.facts() or ("",)
        meeting.refresh_counters()
        facts = Facts(link.identity.port, link.identity.device, " ".join(filter(None, model)), firmware)
        counters = meeting.counters
    told = introduce(Known(can, facts))
    if counters is not None:
        told |= {"cuts": counters.cuts, "lines": counters.lines}
    return {"name": printer.name, **told}


def _show(printer: dict[str, Any]) -> None:
    """`kitchen  tcp://192.168.1.50:9100  就绪 ready  一票一控 process ID: …  waiting 2`, and a line for each alarm."""
    tier = TIERS.get(printer.get("tier", ""), "")
    who = " ".join(filter(None, (printer.get("model"), printer.get("firmware"))))
    waiting = f"等待 waiting {printer['waiting']}"
    state = STATES.get(printer["state"], printer["state"])
    click.echo(plain(printer["name"], printer["link"], state, waiting, who, tier))
    if device := plain(printer.get("device"), printer.get("port")):
        click.echo(f"  {device}")
    for alarm, why in printer["alarms"].items():
        click.echo("  " + plain("报警 alarm", NEEDS.get(alarm, alarm), why))
    if printer["why"] and not printer["alarms"]:
        click.echo("  " + plain(printer["why"]))


def _tell(answer: dict[str, Any], printer: Printer, as_json: bool) -> None:
    """What a printer said when it was asked."""
    if as_json:
        show_json(answer)
        return
    click.echo(plain(answer["name"], printer.link))
    if "tier" not in answer:
        click.echo("  还没有应答 it has not answered yet")
        return
    realtime = "".join(f" {n}" for n in answer["realtime"]) or " 无 none"
    counters = "有 yes" if answer["counters"] else "未证实 not proved yet"
    if "cuts" in answer:
        counters = f"切纸 cuts {answer['cuts']}, 行 lines {answer['lines']}"
    for line in (
        TIERS[answer["tier"]],
        f"实时状态 DLE EOT:{realtime}",
        f"计数器 counters: {counters}",
        f"自述 it calls itself: {answer['model'] or '-'}, firmware {answer['firmware'] or '-'}",
        f"接口 cable: {' '.join(filter(None, (answer['device'], answer['port']))) or '-'}",
        _hint(answer["profile"], printer.profile),
    ):
        click.echo("  " + plain(line))


def _hint(suggested: str, configured: str) -> str:
    if suggested == configured:
        return f"profile: {configured}"
    if suggested == "generic":
        return f"profile: {configured}; its name says nothing of its family"
    return f"profile: {configured}; by its name (a clone may lie) try profile: {suggested}"
