"""`shop-agent support-bundle` and `shop-agent reload`: for whoever looks for a fault, or has changed a setting."""

import os
from pathlib import Path

import click

from agent.cli.options import config_option
from agent.cli.talk import ERRAND_S, in_use, json_option, plain, show_json
from agent.config import Config
from agent.control import ask
from agent.errors import AgentNotRunning, CommandRefused


@click.command("support-bundle")
@config_option
@json_option
def support_bundle(config_path: Path, as_json: bool) -> None:
    """Write a support bundle into the data directory: settings without secrets, the journal in numbers, the last log
    lines; no orders. Works also while no agent runs.
    """
    config = in_use(config_path)
    try:
        answer = ask(config.data_dir, {"do": "bundle"}, ERRAND_S)
    except AgentNotRunning as exc:
        answer = {"answer": f"support bundle: {_make(config, str(exc))}"}
    if as_json:
        show_json(answer)
    else:
        click.echo(plain("诊断包已写好", answer["answer"]))


@click.command()
@config_option
@json_option
def reload(config_path: Path, as_json: bool) -> None:
    """Read templates and configuration anew; says what is in use now, and for what a restart is needed."""
    config = in_use(config_path)
    answer = ask(config.data_dir, {"do": "reload"}, ERRAND_S)
    if as_json:
        show_json(answer)
    else:
        click.echo(plain("已重读", answer["answer"]))


def _make(config: Config, why: str) -> Path:
    """While no agent works here: what can be seen from outside."""
    from agent.bundle import make_bundle  # they load a good deal
    from agent.clock import SystemClock
    from agent.journal.store import reader_of
    from agent.unixuser import acting_as, owner_of

    if not os.path.isdir(config.data_dir):  # noqa: PTH112  a folder may be closed to this user
        raise CommandRefused(
            f"{config.data_dir} is not there: no agent ever ran with this configuration",
            f"没有 {config.data_dir}：程序还没用这个配置运行过",
        )
    journal = config.data_dir / "journal.db"
    try:
        with acting_as(owner_of(config.data_dir)):
            return make_bundle(config, SystemClock(), lambda: reader_of(journal), {"agent.txt": lambda: why})
    except PermissionError as exc:
        raise CommandRefused("this user may not read it: run it with sudo", "没有权限，请用 sudo 运行") from exc
    except OSError as exc:
        where, what = config.data_dir / "bundles", exc.strerror
        raise CommandRefused(f"{where} can't be written ({what})", f"{where} 写不进去（{what}）") from exc
