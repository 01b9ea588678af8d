"""`shop-agent update`: bring this box up to date, as its timer does at night."""

import os
import shutil
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import click
import msgspec

from agent import log
from agent.cli.options import config_option
from agent.cli.talk import LOOK_S, in_use, json_option, plain, show_json
from agent.clock import SystemClock, is_synchronised
from agent.config import Config
from agent.control import ask
from agent.doctor.after import before
from agent.errors import AgentNotRunning, CommandRefused, JournalError
from agent.journal import jobs
from agent.journal.file import newest_schema
from agent.journal.store import look_into
from agent.overview.state import Overview
from agent.unixuser import acting_as, owner_of
from agent.update import back, packages, procedure
from agent.update.packages import PackageError
from agent.update.rules import Decision, Moment, Offer, Verdict, in_hours, may_now, worth

EX_TEMPFAIL = 75
_MARKS = {Verdict.GO: "✓", Verdict.LATER: "!", Verdict.NO: "-"}


@click.command()
@config_option
@click.option("--now", "asked", is_flag=True, help="At once, whatever the hour; also a version that was undone before.")
@click.option("--check", is_flag=True, help="Only say what there is, and whether this is a moment for it.")
@click.option("--due", is_flag=True, help="Exit 0 where this is a moment for it, else 1; for the timer.")
@click.option("--folder", type=click.Path(path_type=Path), default=back.FOLDER, hidden=True)
@json_option
def update(config_path: Path, asked: bool, check: bool, due: bool, folder: Path, as_json: bool) -> None:
    """Bring this box up to date from its signed repository, as root. Not outside the shop's quiet hours, nor while
    tickets wait; where the new version is not well within a minute, the old one comes back. While the agent is down
    its journal says whether tickets wait; only then --now goes over that.

    --json only looks, like --check. Exit 1 when it was undone, or could not be done, and, looking too, where there is
    no package or no repository; 75 while another one is at it.
    """
    log.configure("info")
    config = in_use(config_path) if config_path.exists() else None
    if due:
        sys.exit(0 if _due(config, folder) else 1)
    try:
        if check or as_json:
            _look(config, folder, as_json=as_json)
        else:
            _run(config, folder, asked=asked)
    except back.Busy:
        click.echo("正在更新 another update is under way", err=True)
        sys.exit(EX_TEMPFAIL)
    except PackageError as exc:
        click.echo(plain("不能更新", "no update", exc), err=True)
        sys.exit(1)


def _run(config: Config | None, folder: Path, *, asked: bool) -> None:
    if os.geteuid() != 0:
        raise click.UsageError("加 sudo 运行 run it with sudo")
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o755)  # whatever root's umask: the agent reads how it went
    with back.alone(folder):
        if back.read(folder).trial is not None:
            sys.exit(_undo(folder))
        packages.require()
        sys.exit(_update(config, folder, asked=asked))


def _undo(folder: Path) -> int:
    try:
        last = back.go_back(folder).last
    except (OSError, subprocess.SubprocessError) as exc:
        return _not_undone_yet(exc)
    if last is not None and last.result == back.STAYS:
        return _stays(last)
    click.echo("上次更新中断，已退回 the last update was cut off, and is undone")
    return 0


def _not_undone_yet(exc: Exception) -> int:
    click.echo(plain("还没退回，会再试", "it is not undone yet; tried again at the next start", exc), err=True)
    return 1


def _stays(last: back.Last) -> int:
    click.echo(plain("没有退回", "what is installed stays", last.why), err=True)
    return 1


def _update(config: Config | None, folder: Path, *, asked: bool) -> int:
    decision = may_now(_moment(config, folder, asked=asked))
    if decision.verdict is not Verdict.GO:
        return _say(decision)
    packages.refresh()
    offer = _offer(folder)
    decision = worth(offer, asked=asked)
    _say(decision)
    if decision.verdict is not Verdict.GO:
        return 0
    was = before(_seen(config)[0], offer.version)

    def still() -> str:
        found = may_now(_moment(config, folder, asked=asked))
        return "" if found.verdict is Verdict.GO else found.why.en

    try:
        state = procedure.update(folder, offer.present, offer.version, was, still)
    except procedure.NotNow as exc:
        click.echo(plain("!", "以后再更新", "later", exc))
        return 0
    except procedure.Stopped as exc:
        click.echo(plain("这次没有更新", "not updated this time", exc), err=True)
        return 1
    except (OSError, subprocess.SubprocessError) as exc:
        return _not_undone_yet(exc)
    assert state.last is not None
    if state.last.result == "done":
        packages.forget_fetched()
        click.echo(plain("更新好了", f"done: {offer.version} runs"))
        return 0
    if state.last.result == back.STAYS:
        return _stays(state.last)
    click.echo(plain(f"已退回 {offer.present}", f"{offer.version} was undone", state.last.why), err=True)
    return 1


def _due(config: Config | None, folder: Path) -> bool:
    """Is something left to be undone, or is this a moment for an update? The log hears why not, in those hours."""
    if back.read(folder).trial is not None:
        return True
    try:
        packages.require()
    except PackageError:
        return False  # who installed it by hand brings it up to date by hand
    moment = _moment(config, folder, asked=False)
    decision = may_now(moment)
    if moment.local is not None and in_hours(moment.hours, moment.local):
        _say(decision)
    return decision.verdict is Verdict.GO


def _look(config: Config | None, folder: Path, *, as_json: bool) -> None:
    """What is offered by the lists of now, what became of the last one, and whether this is a moment."""
    packages.require()
    offer, last = _offer(folder), back.read(folder).last
    wanted, moment = worth(offer, asked=False), may_now(_moment(config, folder, asked=False))
    if as_json:
        told = {"present": offer.present, "offered": offer.version, "wanted": wanted, "moment": moment, "last": last}
        show_json(told)
        return
    _say(wanted)
    if last is not None:
        click.echo(plain("上次", "last", last.at, f"{last.old} → {last.new}", last.result, last.why))
    _say(moment)


def _say(decision: Decision) -> int:
    click.echo(plain(_MARKS[decision.verdict], decision.why.zh, decision.why.en))
    return 0


def _offer(folder: Path) -> Offer:
    installed = packages.present()
    version, oldest = packages.offered()
    return Offer(
        present=installed,
        version=version,
        newer=bool(version) and packages.newer(version, installed),
        oldest=oldest,
        schema=newest_schema(),
        refused=back.read(folder).refused.get(version, ""),
    )


def _moment(config: Config | None, folder: Path, *, asked: bool) -> Moment:
    seen, silent = _seen(config)
    settings = config.updates if config is not None else Config(shop="new").updates
    zone = ZoneInfo(config.timezone) if config is not None and config.timezone else None
    there = folder if folder.exists() else folder.parent
    return Moment(
        automatic=settings.automatic,
        hours=settings.hours,
        asked=asked,
        local=datetime.now(zone).time() if _knows_the_time(config) else None,
        seen=seen,
        silent=silent,
        left=_left(config) if seen is None and not silent else 0,
        idle_s=_idle_s(seen),
        free_bytes=min(shutil.disk_usage(place).free for place in (there, Path("/usr"))),
    )


def _knows_the_time(config: Config | None) -> bool:
    return is_synchronised() or (config is not None and config.intake.clock == "trust")


def _seen(config: Config | None) -> tuple[Overview | None, bool]:
    """The running agent's word, None without; and is there one that gives none?"""
    if config is None:
        return None, False
    try:
        return msgspec.convert(ask(config.data_dir, {"do": "status"}, LOOK_S), Overview), False
    except AgentNotRunning as exc:
        return None, "not running" not in str(exc)
    except (CommandRefused, msgspec.DecodeError):
        return None, True


def _left(config: Config | None) -> int | None:
    """How many tickets are not settled in the journal of an agent that is down; None where it can't be read."""
    if config is None or not (path := config.data_dir / "journal.db").exists():
        return 0
    try:
        with acting_as(owner_of(config.data_dir)):  # what lies there is not root's to open
            return look_into(path, lambda tx: sum(jobs.waiting(tx).values()))
    except (JournalError, OSError):
        return None


def _idle_s(seen: Overview | None) -> float | None:
    if seen is None or not seen.last_order:
        return None
    return (SystemClock().utc() - datetime.fromisoformat(seen.last_order)).total_seconds()
