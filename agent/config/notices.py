"""The settings of notices: who is told of alarms, outside the shop."""

from pathlib import Path
from typing import Annotated, Literal

import msgspec

from agent.config.secretfile import credential, read_secret
from agent.errors import ConfigError
from agent.yaml.marks import Reading

Kind = Literal["wecom", "dingtalk", "feishu", "generic"]
Topic = Literal["printer", "waiting", "ticket", "missing", "line", "box"]
"""What an alarm is about: a printer, orders that wait for a person, a ticket, orders that did not come, the line to the
cloud, or the box itself."""


class Notice(msgspec.Struct, frozen=True, kw_only=True):
    """Where alarms are told. The address of a robot is a secret: it is in `url_file`, or is systemd's credential
    `notice-KIND-url`; what it signs with in `secret_file`, or in `notice-KIND-secret`. `only` names what is told; all,
    where it is not written. `language` is the tickets' unless written.
    """

    kind: Kind
    url_file: Annotated[Path | None, msgspec.Meta(examples=["/etc/shop-agent/wecom.url"])] = None
    secret_file: Path | None = None
    only: list[Topic] = []
    language: Literal["zh", "en", "both"] | None = None

    @property
    def name(self) -> str:
        """What it is called in the log and in the journal."""
        return f"{self.kind} ({self.url_file.name})" if self.url_file else self.kind

    def url(self) -> str:
        """As it is now. Raises ConfigError when it can't be read, or is empty."""
        url = _read(self.url_file or credential(f"notice-{self.kind}-url"))
        if not url:
            what = f"write url_file, or give the credential notice-{self.kind}-url"
            raise ConfigError(f"notices: {self.name}: it has no address; {what}")
        return url

    def secret(self) -> str:
        """What the robot signs with, as it is now; empty where it signs nothing. Raises ConfigError."""
        return _read(self.secret_file or credential(f"notice-{self.kind}-secret"))


def check(reading: Reading) -> None:
    """Add every broken rule to the reading's problems."""
    first: dict[object, str] = {}
    for path, kind in reading.column("notices[].kind"):
        entry = path.rpartition(".")[0]
        where = reading.values.get(f"{entry}.url_file", kind)
        if first.setdefault(where, path) != path:
            reading.add(path, f"line {reading.marks[first[where]].line} tells the same one; keep one, with all of only")
        if kind == "wecom" and f"{entry}.secret_file" in reading.values:
            reading.add(f"{entry}.secret_file", "WeCom's robots sign nothing; leave it out")


def warnings(notices: list[Notice]) -> list[str]:
    """What a person should know though the agent can start: addresses that are not there."""
    found = []
    for notice in notices:
        try:
            if notice.url_file is None or notice.url_file.exists():  # else it is said of every secret
                notice.url()
        except ConfigError as exc:
            found.append(str(exc))
    return found


def _read(path: Path | None) -> str:
    return read_secret(path).strip() if path is not None else ""
