"""What the commands for a running agent share: how it is asked, and how an answer is shown."""

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import click
import msgspec

from agent.config import Config
from agent.config.lastgood import load_or_last
from agent.control import ask

LOOK_S, SETTLE_S, PROBE_S, ERRAND_S = 15.0, 30.0, 45.0, 60.0
"""How long an answer is waited for: longer than the agent itself waits before it gives one."""

PRINTER_STATES = {
    "ready": "就绪 ready",
    "connecting": "连接中 connecting",
    "away": "连不上 away",
    "other": "换了机器 another device",
    "needs_human": "需要人 needs a person",
}
NEEDS = {
    "paper": "缺纸 paper",
    "cover": "开盖 cover",
    "cutter": "切刀 cutter",
    "error": "故障 error",
    "offline": "脱机 offline",
    "paused": "已暂停 paused",
}

json_option = click.option("--json", "as_json", is_flag=True, help="One line of JSON, for programs.")


def in_use(path: Path) -> Config:
    """What the agent runs with: the file, or while that is wrong, which is said on standard error, the last good one.

    Raises:
        ConfigError: exit 78.
    """
    config, wrong = load_or_last(path)
    if wrong:
        click.echo(
            plain("配置有错，正用上一份 the configuration is wrong, the last good one is in use", wrong), err=True
        )
    return config


def ask_agent(config_path: Path, request: Mapping[str, Any], timeout_s: float) -> dict[str, Any]:
    """The answer of the agent that this configuration is for.

    Raises:
        AgentNotRunning: exit 69.
        CommandRefused: exit 1.
    """
    return ask(in_use(config_path).data_dir, request, timeout_s)


def local(moment: str, config: Config) -> str:
    """`11-22 13:35`, in the shop's time zone as on its tickets; UTC is named."""
    there = datetime.fromisoformat(moment).astimezone(ZoneInfo(config.timezone) if config.timezone else None)
    return f"{there:%m-%d %H:%M}" + ("" if there.utcoffset() else " UTC")


def show_json(answer: Mapping[str, Any]) -> None:
    """For programs."""
    click.echo(msgspec.json.encode(answer))


def plain(*words: object) -> str:
    """Words of a line, two spaces apart: survives a copy into a chat. What came from outside can't move the cursor."""
    said = (str(word) for word in words if word not in ("", None))
    return "  ".join("".join(char if char.isprintable() else " " for char in word) for word in said)
