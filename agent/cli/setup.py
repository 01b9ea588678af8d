"""`shop-agent setup`: a configuration by questions, from a file, or from the boot partition."""

import getpass
import os
from pathlib import Path
from typing import Any

import click

from agent.cli.options import config_option, named
from agent.config import Config, load
from agent.config.setupfile import SYSTEM_FOLDER, install, prepare_folder
from agent.errors import CommandRefused, ConfigError


@click.command()
@config_option
@click.option("--from", "source", type=click.Path(path_type=Path), help="A file that is written already; no questions.")
@click.option("--from-boot", is_flag=True, help="The file shop-agent.yaml on the boot partition, where there is one.")
def setup(config_path: Path, source: Path | None, from_boot: bool) -> None:
    """Make the configuration: printers, shop, cloud. Exit 78 when a file is not right; then nothing has changed."""
    if source is not None and from_boot:
        raise click.UsageError("--from 和 --from-boot 只能给一个 give one of them")
    if from_boot:
        _from_boot(config_path)
    elif source is not None:
        _install(source, config_path, f"setup --from, {_user()}")
        _say_what_next(config_path, load(config_path))
    else:
        _ask(config_path)


# -- from a file -------------------------------------------------------------------------------------------------------


def _from_boot(config_path: Path) -> None:
    from agent.config.bootfile import find, take

    if (source := find()) is None:
        click.echo("启动分区上没有 shop-agent.yaml  no shop-agent.yaml on the boot partition")
        return
    take(source, lambda path: _install(path, config_path, "boot partition"))
    click.echo(f"已采用 taken: {source} → {config_path}")


def _install(source: Path, target: Path, by: str) -> None:
    from agent.cli.config import look_closely  # it loads the rooms that read the shop's own files

    install(source, target, by=by, look=lambda config: look_closely(config)[0])


# -- by questions ------------------------------------------------------------------------------------------------------


def _ask(path: Path) -> None:
    """All questions first, then the writing: whoever stops half-way has changed nothing."""
    from agent.cli import questions
    from agent.config import write

    prepare_folder(path)
    if not os.access(path.parent, os.W_OK):
        raise ConfigError(f"{path.parent}: this user may not write here; run it with sudo")
    now = load(path) if path.exists() else None
    click.echo(f"设置 set-up → {path}; 回车就用方括号里的 Enter takes what is in brackets\n")
    try:
        wanted = questions.ask(now)
    except click.Abort as exc:
        click.echo(err=True)  # the question stands on that line
        raise CommandRefused("stopped, nothing was written", "已中止，没有写任何东西") from exc

    def change(tree: Any) -> None:
        wanted.change(tree)
        if now is None and path.parent != SYSTEM_FOLDER:
            tree["data_dir"] = "./data"

    write.edit(path, change, by=f"setup, {_user()}", beside=wanted.beside)
    _say_what_next(path, load(path))


def _say_what_next(path: Path, config: Config) -> None:
    click.echo(f"\n已写入 written: {path}")
    if not config.printers:
        click.echo("  ! 还没有打印机，订单会等着：加打印机 no printer yet, orders wait: shop-agent printers scan")
    if config.broker is None:
        click.echo("  ! 还没有云端，收不到线上订单：再运行 setup no cloud yet, no online orders: run setup again")
    pages = () if config.console == "off" else (config.console,)
    where = named(path)
    for zh, en, command in (
        ("检查", "check it", f"shop-agent config check{where}"),
        ("启动", "start it", "sudo systemctl restart shop-agent" if not where else f"shop-agent run{where}"),
        *(("手机页面的密码", "a PIN for the phones' page", f"shop-agent reset-pin{where}") for _ in pages),
        *(("测试页", "test page", f"shop-agent printers test {each.name}{where}") for each in config.printers[:1]),
    ):
        click.echo(f"  {zh} {en}: {command}")


def _user() -> str:
    """Who sits there, also behind sudo."""
    return os.environ.get("SUDO_USER") or getpass.getuser()
