"""The questions of `shop-agent setup`, in plain lines. Nothing is written here."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from agent.clock import machine_zone
from agent.config import Broker, Config, edits, load, pairing
from agent.config.console import PORT
from agent.config.words import faults
from agent.config.write import Wanted, fresh, secret
from agent.errors import AgentError, ConfigError
from agent.model.address import parse_broker_url
from agent.model.link import parse_link
from agent.printers.discovery import Found, discover
from agent.yaml.text import as_block

NO_CLOUD = "off"
_CHINAS_TIME, _NO_ZONE = "Asia/Shanghai", ("", "UTC", "UCT", "GMT", "Universal", "Zulu")
_NAMES = ("kitchen", "bar", "counter")
T = TypeVar("T")


def ask(now: Config | None) -> Wanted:
    """Everything. `now` is the configuration that there is. Raises click.Abort where somebody stops."""
    shop = _until_right("店铺编号 shop code (a-z 0-9 -)", now.shop if now else "", _shop_code)
    printers = _printers(now)
    cloud = _cloud(now.broker if now else None)
    page, zone = _page(now), _zone(now)

    def change(tree: Any) -> None:
        edits.set_shop(tree, shop=shop)
        tree.update(page | zone)
        for printer in printers:
            edits.add_printer(tree, **printer)
        cloud.change(tree)

    return Wanted(change, cloud.beside)


# -- printers ----------------------------------------------------------------------------------------------------------


def _printers(now: Config | None) -> list[dict[str, Any]]:
    known = {printer.name: printer.link for printer in now.printers} if now else {}
    for name, link in known.items():
        click.echo(f"  已有 there is: {name}  {link}")
    click.echo("正在找打印机 looking for printers …")
    found = _show(discover(known), 1)
    if click.confirm("也在网络里找吗，要几秒 look in the network too, some seconds?", default=not found and not known):
        more = discover(known, on_network=True, tell=click.echo)
        found += _show([each for each in more if each.kind == "lan"], len(found) + 1)
    which = "用哪几台：编号或 tcp://地址，用逗号隔开；0 不加 which: numbers or tcp://ADDRESS, with commas; 0 for none"
    chosen = _until_right(which, "1" if len(found) == 1 and not known else "0", lambda text: _chosen(text, found))
    taken = list(known)
    return [_described(each, taken) for each in chosen]


def _show(all_of_them: Sequence[Found], first: int) -> list[Found]:
    found = [each for each in all_of_them if not each.in_use]
    for number, each in enumerate(found, first):
        click.echo("  ".join(part for part in (f"  {number}", each.link, each.name, each.note) if part))
    return found


def _chosen(text: str, found: Sequence[Found]) -> list[Found]:
    chosen = []
    for word in text.replace("，", ",").split(","):
        if not word.strip().isdigit():
            chosen.append(Found(link=str(parse_link(word.strip())), kind="lan"))
        elif 0 < int(word) <= len(found):
            chosen.append(found[int(word) - 1])
        elif int(word):
            raise click.BadParameter(f"没有 {int(word)} 号 there is no number {int(word)}")
    return chosen


def _described(found: Found, taken: list[str]) -> dict[str, Any]:
    free = next((name for name in _NAMES if name not in taken), f"printer{len(taken) + 1}")
    name = _until_right(f"{found.link} 叫什么 its name", free, lambda text: _free_name(text, taken))
    taken.append(name)
    cells = "一行几格：80mm 纸 48，58mm 纸 32 cells in a line: 48 on 80 mm paper, 32 on 58 mm"
    width = click.prompt(cells, found.width or 48, type=click.IntRange(16, 96))
    profile = None if found.profile == "generic" else found.profile
    return {"name": name, "link": found.link, "width": width, "profile": profile}


def _free_name(text: str, taken: Sequence[str]) -> str:
    if text in taken:
        raise click.BadParameter(f"已经有 {text} 了 there is one of that name")
    _try({"shop": "a", "printers": [{"name": text, "link": "virtual://a"}]})
    return text


# -- shop and cloud ----------------------------------------------------------------------------------------------------


def _shop_code(text: str) -> str:
    _try({"shop": text})
    return text


def _cloud(before: Broker | None) -> Wanted:
    where = "云端：配对码，或 mqtts://主机；没有就写 off cloud: a pairing token, or mqtts://HOST; off for none"
    text = _until_right(where, before.url if before else NO_CLOUD, _cloud_address)
    if text == NO_CLOUD:
        return Wanted(edits.no_broker, {})
    if pairing.PREFIX in text:
        return pairing.wanted(pairing.read_token(text))
    user = click.prompt("用户名，没有就回车 user, Enter for none", before.username if before else "")
    kept = " (回车不变 Enter keeps it)" if before and before.password_file else ""
    password = click.prompt(f"密码，不显示 password, not shown{kept}", "", hide_input=True, show_default=False)
    file = fresh(pairing.PASSWORD)

    def change_line(tree: Any) -> None:
        edits.set_broker(tree, text, file if password else None, username=user or None)

    return Wanted(change_line, {file: secret(password)} if password else {})


def _cloud_address(text: str) -> str:
    if pairing.PREFIX in text:
        pairing.read_token(text)
    elif text != NO_CLOUD:
        parse_broker_url(text)
    return text


# -- the phone's page and the time -------------------------------------------------------------------------------------


def _page(now: Config | None) -> dict[str, Any]:
    """The setting of the box's own port, where it has none yet."""
    if now is not None and now.console != "off":
        return {}
    question = f"开手机页面吗，同一网络里的手机打开 http://本机地址:{PORT} a page for phones in the shop's network?"
    return {"console": {"listen": f"0.0.0.0:{PORT}"}} if click.confirm(question, default=now is None) else {}


def _zone(now: Config | None) -> dict[str, Any]:
    """The shop's time zone, where it has none yet: the machine's, unless that is UTC."""
    here = machine_zone()
    known = here if here.rpartition("/")[2] not in _NO_ZONE else ""
    if now is not None and (now.timezone or known):
        return {}
    question = "店铺的时区，小票上的时间按它 the shop's time zone, for the times on tickets"
    return {"timezone": _until_right(question, known or _CHINAS_TIME, _zone_name)}


def _zone_name(text: str) -> str:
    _try({"shop": "a", "timezone": text})
    return text


# -- asking ------------------------------------------------------------------------------------------------------------


def _until_right(question: str, default: str, read: Callable[[str], T]) -> T:
    """Ask until the answer can be read; what is wrong with it is said."""

    def value(text: str) -> T:
        try:
            return read(text.strip())
        except AgentError as exc:
            raise click.BadParameter(str(exc)) from exc

    answer: T = click.prompt(question, default, show_default=bool(default), value_proc=value)
    return answer


def _try(settings: dict[str, Any]) -> None:
    """Would it be taken? Raises ConfigError with what is wrong."""
    try:
        load(Path("-"), data="\n".join(as_block(settings, 0)).encode())
    except ConfigError as exc:
        raise ConfigError("; ".join(f"{fault.zh} {fault.en}" for fault in faults(str(exc)))) from exc
