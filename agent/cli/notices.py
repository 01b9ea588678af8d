"""`shop-agent notices`: do alarms arrive where they shall?"""

from pathlib import Path

import click

from agent.cli.options import config_option
from agent.cli.talk import json_option, plain, show_json
from agent.clock import SystemClock, stamp
from agent.config import load
from agent.errors import CommandRefused
from agent.model.ticket import Language


@click.group()
def notices() -> None:
    """Alarms told outside the shop: WeCom, DingTalk, Feishu, others."""


@notices.command()
@config_option
@click.argument("kind", required=False)
@json_option
def test(config_path: Path, kind: str | None, as_json: bool) -> None:
    """Send each receiver a test message; exit 1 unless all took it.

    With KIND (wecom, dingtalk, feishu, generic) only those. No agent need run.
    Run it as the service's user, so that it reads the same files.
    """
    from agent.report.alarmtext import trial
    from agent.report.webhook import Untold, tell

    config = load(config_path)
    chosen = [notice for notice in config.notices if kind in (None, notice.kind)]
    if not chosen:
        who, zh = (f"no {kind} is", f" {kind} 通知") if kind else ("nobody is", "通知")
        raise CommandRefused(f"{config_path}: {who} under notices; docs/notices.md says how", f"还没有设置{zh}")
    now, told = SystemClock().utc(), []
    for notice in chosen:
        said = trial(f"{config.shop}/{config.agent}", Language(notice.language or config.language))
        facts: dict[str, object] = {"shop": config.shop, "agent": config.agent, "at": stamp(now), "test": True}
        try:
            tell(notice, said, {**facts, "raised": [], "over": []}, now)
            told.append((notice.name, ""))
        except Untold as exc:
            told.append((notice.name, str(exc)))
        if not as_json:
            name, why = told[-1]
            click.echo(plain("未送达 not told" if why else "已送达 told", name, why), err=bool(why))
    if as_json:
        show_json({"receivers": [{"name": name, "ok": not why, "why": why} for name, why in told]})
    if failed := sum(bool(why) for _, why in told):
        raise CommandRefused(f"{failed} of {len(chosen)} were not told", f"{len(chosen)} 个通知，{failed} 个没有送达")
