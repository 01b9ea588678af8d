"""`shop-agent printers`: how they are, what one can prove, and a person's word that an exchanged one is right."""

from contextlib import closing
from pathlib import Path
from typing import Any

import click

from agent.cli.check import check
from agent.cli.options import config_option, configured
from agent.cli.scan import READ_PAPER, add, identify, scan, tell_page
from agent.cli.talk import LOOK_S, NEEDS, PRINTER_STATES, PROBE_S, SETTLE_S, in_use, json_option, plain, show_json
from agent.config import Config, Printer
from agent.control import ask
from agent.errors import AgentNotRunning, CommandRefused

TIERS = {
    "process_id": "一票一控 process ID: it says of each ticket that it is printed",
    "status": "流控 status: it says when it got past a ticket",
    "none": "只写 write only: it never answers, so tickets are presumed printed",
}
_MUTE = (
    "换成了不会应答的打印机？在配置里写 confirm: none  "
    "exchanged for a printer that never answers? write confirm: none in the configuration"
)
DIRECTED = {"pause": "暂停", "resume": "继续"}
_name = click.argument("name")


@click.group()
def printers() -> None:
    """See printers, find, add, test, pause them."""


for _command in (check, scan, add, identify):
    printers.add_command(_command)


@printers.command("list")
@config_option
@json_option
def list_(config_path: Path, as_json: bool) -> None:
    """Show every printer: where it is, how it is, what it can prove, and what waits for it."""
    answer = ask(in_use(config_path).data_dir, {"do": "printers"}, LOOK_S)
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
    config = in_use(config_path)
    printer = configured(config, name)
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
    config = in_use(config_path)
    printer = configured(config, name)
    _tell(ask(config.data_dir, {"do": "accept", "printer": name}, PROBE_S), printer, as_json)


@printers.command()
@_name
@click.option(
    "--page", type=click.Choice(["test", "paper"]), default="test", help="paper: for its width and characters."
)
@config_option
@json_option
def test(name: str, page: str, config_path: Path, as_json: bool) -> None:
    """Print a test page on the printer NAME, and say what became of it. It is printed also while NAME is paused."""
    config = in_use(config_path)
    printer = configured(config, name)
    try:
        answer = ask(config.data_dir, {"do": "test", "printer": name, "page": page}, PROBE_S)
    except AgentNotRunning as exc:
        without = f"\n程序没运行时可以用 without the agent: shop-agent printers identify {printer.name}"
        raise AgentNotRunning(f"{exc}{without}", exc.zh) from exc
    if as_json:
        show_json(answer)
        return
    tell_page(answer)
    for line in READ_PAPER if page == "paper" else ():
        click.echo(f"  {line}")


@printers.command()
@_name
@config_option
@json_option
def pause(name: str, config_path: Path, as_json: bool) -> None:
    """Let the tickets of the printer NAME wait, also over a restart; `all`: of every printer."""
    _direct("pause", name, config_path, as_json)


@printers.command()
@_name
@config_option
@json_option
def resume(name: str, config_path: Path, as_json: bool) -> None:
    """Print the tickets that wait for the paused printer NAME; `all`: for every printer."""
    _direct("resume", name, config_path, as_json)


def _direct(what: str, name: str, config_path: Path, as_json: bool) -> None:
    config = in_use(config_path)
    printer = name if name == "all" else configured(config, name).name
    answer = ask(config.data_dir, {"do": what, "printer": printer}, SETTLE_S)
    if as_json:
        show_json(answer)
    else:
        click.echo(plain(DIRECTED[what], answer["answer"]))


def _ask_directly(config: Config, printer: Printer) -> dict[str, Any]:
    """While no agent works here."""
    from agent.answers.printers import introduce  # they load every room
    from agent.clock import SystemClock
    from agent.connectors import connector
    from agent.datadir import unattended
    from agent.model.acquaintance import Facts, Known
    from agent.model.link import VirtualLink
    from agent.model.printer import Tier
    from agent.model.profile import PROFILES
    from agent.printers.meeting import Meeting, Patience

    if isinstance(printer.link, VirtualLink):
        raise CommandRefused(
            f"{printer.link} lives in the agent: start it, and ask again", f"{printer.link} 在程序里：请先启动程序"
        )
    cable = connector(printer, config.data_dir)
    wanted = None if printer.confirm == "auto" else Tier[printer.confirm.upper()]
    with unattended(config.data_dir), closing(cable.open()) as link:
        meeting = Meeting(link, SystemClock(), cable, Patience(), PROFILES[printer.profile])
        can = meeting.probe(wanted)
        if can is None:
            need = meeting.status.need
            what = NEEDS.get(need or "", need)
            raise CommandRefused(
                f"{printer.name} needs a person first: {what}; then ask again", f"{printer.name} 要先处理：{what}"
            )
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
    state = PRINTER_STATES.get(printer["state"], printer["state"])
    click.echo(plain(printer["name"], printer["link"], state, waiting, who, tier))
    if device := plain(printer.get("device"), printer.get("port")):
        click.echo(f"  {device}")
    for alarm, why in printer["alarms"].items():
        now = printer["why"] if alarm == printer["state"] else why  # the alarm has the reason that it was raised for
        click.echo("  " + plain("报警 alarm", NEEDS.get(alarm, alarm), now))
    if printer["why"] and not printer["alarms"]:
        click.echo("  " + plain(printer["why"]))
    if printer["state"] == "away" and "no answer" in printer["why"]:
        click.echo("  " + _MUTE)


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
