"""`shop-agent doctor`: what is wrong here, and the one thing to do about it."""

import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import click
import msgspec

from agent import __version__
from agent.cli.options import config_option, named
from agent.cli.talk import in_use, json_option, plain, show_json
from agent.clock import SystemClock
from agent.control import ask
from agent.errors import AgentNotRunning, CommandRefused, ConfigError, DataDirLocked
from agent.overview.state import Overview

LOOK_S = 5.0
ASK_SYSTEMD_S = 2.0

NAMES = {
    "config": "配置",
    "secrets": "密码",
    "data_dir": "数据目录",
    "agent": "程序",
    "clock": "时钟",
    "timezone": "时区",
    "disk": "磁盘",
    "journal": "账本",
    "wear": "寿命",
    "logs": "日志",
    "fonts": "字体",
    "memory": "内存",
    "port": "端口",
    "line": "云端",
    "dns": "域名",
    "network": "网络",
    "tls": "加密",
    "certificate": "证书",
    "login": "登录",
    "topics": "主题",
    "session": "会话",
    "printer": "打印机",
    "alarm": "报警",
}


@click.command()
@config_option
@json_option
@click.option(
    "--post-update", "was", type=click.Path(path_type=Path), metavar="FILE", help="As well as FILE says it was?"
)
def doctor(config_path: Path, as_json: bool, was: Path | None) -> None:
    """Check all that an order needs on its way to paper. Nothing is printed. Exit 1 when something does not work.

    Works with the agent running and without: then the printers are asked directly. Run it as root or as the service's
    user. With --post-update the new version is proved, for a minute at most: it runs, and the line and the printers
    that were well before are well again. One that falls over three times is not well.
    """
    if was is not None:
        sys.exit(_prove(config_path, was))
    from agent.connectors import connector
    from agent.datadir import unattended
    from agent.doctor.case import open_case
    from agent.doctor.finding import MARKS, Sign
    from agent.doctor.table import run_all

    with ExitStack() as stack:
        case = open_case(config_path, connector, option=named(config_path))
        if case.config is not None and case.alone and not case.barred:
            try:
                stack.enter_context(unattended(case.config.data_dir))
            except DataDirLocked:
                case = msgspec.structs.replace(case, alone=False)
            except ConfigError:
                pass  # a check says so
        found = run_all(case)
    failed = any(each.sign is Sign.BAD for each in found)
    if as_json:
        show_json({"ok": not failed, "findings": msgspec.to_builtins(found)})
    else:
        for each in found:
            kind, _, what = each.name.partition(":")
            click.echo(plain(MARKS[each.sign], f"{NAMES[kind]} {kind}", what, each.why.zh, each.why.en))
            if each.fix.zh:
                click.echo("    → " + plain(each.fix.zh, each.fix.en))
    sys.exit(1 if failed else 0)


def _prove(config_path: Path, file: Path) -> int:
    """What is not as it was before the update; 0 where nothing is amiss."""
    from agent.doctor.after import Before, wait_until_well

    was = msgspec.json.decode(file.read_bytes(), type=Before)
    if __version__ != was.version:
        click.echo(f"✗ 装的是 {__version__}，不是 {was.version}  {__version__} is installed, and not {was.version}")
        return 1
    folder = in_use(config_path).data_dir if was.ran else Path()

    def look() -> Overview | None:
        try:
            return msgspec.convert(ask(folder, {"do": "status"}, LOOK_S), Overview)
        except (AgentNotRunning, CommandRefused, msgspec.DecodeError):
            return None

    found = wait_until_well(was, look, _falls, SystemClock(), time.sleep)
    for words in found:
        click.echo(plain("✗", words.zh, words.en))
    if not found:
        click.echo(plain("✓", f"{__version__} 一切如前", f"{__version__} is as well as it was before"))
    return 1 if found else 0


def _falls() -> int:
    """How often systemd had to start the service again since a person or the package did; 0 where it can't be asked."""
    asked = ["systemctl", "show", "-P", "NRestarts", "shop-agent.service"]
    try:
        return int(subprocess.run(asked, capture_output=True, text=True, timeout=ASK_SYSTEMD_S, check=False).stdout)
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return 0
