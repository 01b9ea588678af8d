"""`shop-agent doctor`: what is wrong here, and the one thing to do about it."""

import sys
from contextlib import ExitStack
from pathlib import Path

import click
import msgspec

from agent.cli.options import config_option
from agent.cli.talk import json_option, plain, show_json
from agent.errors import ConfigError, DataDirLocked

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
def doctor(config_path: Path, as_json: bool) -> None:
    """Check all that an order needs on its way to paper. Nothing is printed. Exit 1 when something does not work.

    Works with the agent running and without: then the printers are asked directly. Run it as root or as the service's
    user.
    """
    from agent.connectors import connector
    from agent.datadir import unattended
    from agent.doctor.case import open_case
    from agent.doctor.finding import MARKS, Sign
    from agent.doctor.table import run_all

    with ExitStack() as stack:
        case = open_case(config_path, connector)
        if case.config is not None and case.alone:
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
