"""`shop-agent printers scan|add|identify`: which printers are there, which one is which, and into the configuration."""

import getpass
import os
import threading
from pathlib import Path
from typing import Any

import click

from agent.cli.options import config_option, configured
from agent.cli.talk import LOOK_S, PROBE_S, json_option, plain, show_json
from agent.config import Config, Printer, load
from agent.control import ask
from agent.errors import AgentNotRunning, CommandRefused, ConfigError
from agent.model.link import Link, VirtualLink, parse_link
from agent.model.papertest import RULERS
from agent.model.profile import PROFILES

READ_PAPER = (
    "width: 两头都有数字、没有断行的，最大的那个数字 the largest number that stands at both ends of one unbroken line",
    "charset: B 正确写 gbk；只有 A 正确写 gb2312；只有 C 正确写 ascii B is right: gbk; only A: gb2312; only C: ascii",
)
_PAGES = {
    "completed": "测试页已打印 the page is printed",
    "canceled": "没有打印 not printed",
    "unconfirmed": "不确定是否打出，请看打印机 perhaps printed: look at the printer",
}
_KINDS = {"usblp": "USB", "usb": "USB", "serial": "串口 serial", "lan": "网络 network"}
_NOTHING = "没有找到打印机：请开机、插好线；再看 docs/printers.md no printer was found: switch it on, plug it in"
_TRY_LAN = ("网口打印机请加 --lan", "for network printers add --lan")
_OTHER_NETWORK = (
    "网口打印机的地址在它的自检页上，要和盒子在同一网段 "
    "a network printer's address is on its self-test page: it must be in the box's network"
)
_NEXT = "下一步 next: shop-agent printers identify LINK; shop-agent printers add LINK --name NAME"
_RESTART = "重启后生效 restart the agent to use it: sudo systemctl restart shop-agent"
_START = "盒子启动后生效 it is used once the agent runs"
_POLL_S = 0.3


@click.command()
@click.option("--lan", is_flag=True, help="Search the shop's network for printers at port 9100, too (some seconds).")
@config_option
@json_option
def scan(lan: bool, config_path: Path, as_json: bool) -> None:
    """Find printers: USB, serial adapters, and with --lan the network. Prints nothing; leaves alone what is in use."""
    config = _config(config_path)
    try:
        state = _ask_agent(config, lan)
    except AgentNotRunning:
        state = _search(config, lan)
    if as_json:
        show_json(state)
        return
    for found in state["found"]:
        _show(found)
    for words in state["notes"]:
        click.echo(plain(words))
    if not state["found"]:
        click.echo(_NOTHING if lan else plain(_NOTHING, *_TRY_LAN))
    elif any(not found["in_use"] for found in state["found"]):
        click.echo(_NEXT)
    if lan and not any(found["kind"] == "lan" for found in state["found"]):
        click.echo(_OTHER_NETWORK)


@click.command()
@click.argument("link")
@click.option("--name", required=True, help="What people call it: kitchen, bar.")
@click.option("--width", type=click.IntRange(16, 96), help=f"Cells a line: {', '.join(map(str, RULERS))}; else 48.")
@click.option("--profile", type=click.Choice(list(PROFILES)), help="Its family, for buzzer, drawer and knife.")
@click.option("--charset", type=click.Choice(["gbk", "gb2312", "ascii"]), help="Which characters it has.")
@config_option
@json_option
def add(
    link: str,
    name: str,
    width: int | None,
    profile: str | None,
    charset: str | None,
    config_path: Path,
    as_json: bool,
) -> None:
    """Write the printer at LINK into the configuration, under a NAME; comments and all else stay as they are."""
    from agent.config.edits import add_printer  # only who writes pays for them
    from agent.config.warnings import width_warning
    from agent.config.words import bilingual
    from agent.config.write import edit

    config = _config(config_path)
    if config is None:
        raise ConfigError(f"{config_path}: there is no such file yet; begin with: shop-agent setup")
    _refuse_known(parse_link(link), config)
    wanted = {"width": width, "profile": profile, "charset": charset}
    settings = {key: value for key, value in wanted.items() if value is not None}
    edit(config_path, lambda tree: add_printer(tree, name, link, **settings), by=f"printers add, {_user()}")
    runs = _runs(config)
    if as_json:
        show_json({"name": name, "link": link, **settings, "restart": runs})
        return
    click.echo(plain("已写入 written", name, link, str(config_path)))
    if width is not None and (text := width_warning(width)):
        click.echo(f"warning: {bilingual(text)}", err=True)
    click.echo(_RESTART if runs else _START)


@click.command()
@click.argument("target", metavar="NAME|LINK")
@config_option
@json_option
def identify(target: str, config_path: Path, as_json: bool) -> None:
    """Print a printer's name on its own paper in large letters, so that you see which one it is; it beeps if it can."""
    config = _config(config_path)
    where = {"link": str(parse_link(target))} if ":" in target else {"printer": target}
    if config is None and "printer" in where:
        raise ConfigError(f"{config_path}: there is no such file; name another with --config FILE, or give a LINK")
    try:
        answer = _ask_running(config, {"do": "identify", **where}, PROBE_S)
    except AgentNotRunning:
        answer = _print_directly(config, target)
    if as_json:
        show_json(answer)
        return
    tell_page(answer)
    if answer.get("model"):
        click.echo("  " + plain("自述 it calls itself", answer["model"], answer["firmware"], *_advice(answer)))


def tell_page(answer: dict[str, Any]) -> None:
    """What became of a page."""
    words = _PAGES.get(answer["state"], "测试页在等待 the page waits")
    click.echo(plain(answer["name"], words, answer["why"]))


def _config(path: Path) -> Config | None:
    """None where there is no file: nothing is set up yet. One with faults raises ConfigError."""
    return load(path) if os.path.exists(path) else None  # noqa: PTH110  a folder may be closed to this user


def _ask_running(config: Config | None, request: dict[str, Any], timeout_s: float) -> dict[str, Any]:
    if config is None:
        raise AgentNotRunning("nothing is set up yet")
    return ask(config.data_dir, request, timeout_s)


def _ask_agent(config: Config | None, lan: bool) -> dict[str, Any]:
    """The agent searches: it may open what it will print on, and knows what is in use."""
    state = _ask_running(config, {"do": "scan", "lan": lan}, LOOK_S)
    progress = _Progress()
    while state["running"]:
        progress(state["done"], state["total"])
        threading.Event().wait(_POLL_S)
        state = _ask_running(config, {"do": "scan", "start": False}, LOOK_S)
    return state


def _search(config: Config | None, lan: bool) -> dict[str, Any]:
    """While no agent works here."""
    import msgspec

    from agent.printers.discovery import discover

    notes: list[str] = []
    found = discover(_known(config), on_network=lan, progress=_Progress(), tell=notes.append)
    return {"found": msgspec.to_builtins(found), "notes": notes}


class _Progress:
    """Told on standard error, at each quarter."""

    def __init__(self) -> None:
        self._said = 0

    def __call__(self, done: int, total: int) -> None:
        quarter = 4 * done // total if total else 0
        if quarter > self._said:
            self._said = quarter
            click.echo(f"… {done}/{total}", err=True)


def _known(config: Config | None) -> dict[str, Link]:
    return {printer.name: printer.link for printer in config.printers} if config is not None else {}


def _show(found: dict[str, Any]) -> None:
    """`usblp:port/1-1.2  USB  EPSON TM-T20II  profile: epson`, and what stands in the way."""
    in_use = f"已在用 in use: {found['in_use']}" if found["in_use"] else ""
    place = found["place"] if found["kind"] in ("lan", "serial") else ""
    click.echo(plain(found["link"], _KINDS[found["kind"]], found["name"], place, in_use, *_advice(found)))
    if found["note"]:
        click.echo("  " + plain(found["note"]))


def _advice(found: dict[str, Any]) -> list[str]:
    """Settings by what it calls itself: hints, because a clone may lie."""
    profile = f"profile: {found['profile']}" if found["profile"] != "generic" else ""
    return [profile, f"width: {found['width']}" if found["width"] else ""]


def _refuse_known(link: Link, config: Config) -> None:
    from agent.printers.discovery import owner_of

    if owner := owner_of(link, _known(config)):
        raise CommandRefused(f"这台打印机已在配置里 that printer is in the configuration already: {owner}")


def _runs(config: Config) -> bool:
    try:
        ask(config.data_dir, {"do": "scan", "start": False}, LOOK_S)
    except AgentNotRunning:
        return False
    except CommandRefused:
        return True
    return True


def _user() -> str:
    return os.environ.get("SUDO_USER") or getpass.getuser()


def _print_directly(config: Config | None, target: str) -> dict[str, Any]:
    """While no agent works here."""
    from contextlib import nullcontext

    from agent.answers.finder import NARROW, print_name, short_name
    from agent.connectors import connector
    from agent.datadir import unattended
    from agent.printers.discovery import owner_of

    link = parse_link(target) if ":" in target else None
    name = target if link is None else owner_of(link, _known(config))
    if name and config is not None:
        printer = configured(config, name)
    else:
        assert link is not None
        printer = Printer(name=short_name(link), link=link, width=NARROW)
    if isinstance(printer.link, VirtualLink):
        raise CommandRefused(
            f"{printer.link} lives in the agent: start it, and ask again", f"{printer.link} 在程序里：请先启动程序"
        )
    with unattended(config.data_dir) if config is not None else nullcontext():
        return print_name(printer, connector(printer, Path()), threading.Event())
