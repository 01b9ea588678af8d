"""The settings of the box's own port: who may bring orders there, and what it shows."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from agent.config.secretfile import read_secret
from agent.errors import ConfigError
from agent.model.address import parse_host_port
from agent.yaml.marks import Reading
from agent.yaml.structs import did_you_mean

PORT = 8480
SHORTEST_TOKEN = 16
_Sn = msgspec.Meta(
    pattern="^[A-Za-z0-9_-]+$", max_length=64, examples=["922599200"], extra={"write": "use only letters and digits"}
)


class FeiePrinter(msgspec.Struct, frozen=True, kw_only=True):
    """A printer's SN, as the integrator knows it, and the station that prints for it here."""

    sn: Annotated[str, _Sn]
    station: Annotated[str, msgspec.Meta(examples=["kitchen"])]


class Feie(msgspec.Struct, frozen=True, kw_only=True):
    """Feieyun's interface for one account: `user` and the UKEY in a file of its own."""

    user: Annotated[str, msgspec.Meta(examples=["shop@example.com"])]
    ukey_file: Annotated[Path, msgspec.Meta(examples=["/etc/shop-agent/feie.ukey"])]
    printers: list[FeiePrinter]

    def ukey(self) -> str:
        """As it is now. Raises ConfigError when the file can't be read, or is empty."""
        if not (ukey := read_secret(self.ukey_file).strip()):
            raise ConfigError(f"{self.ukey_file}: there is no UKEY in it; write it on the first line")
        return ukey


class Console(msgspec.Struct, frozen=True, kw_only=True):
    """The box's own port. `hosts` are names that it answers to besides its addresses. With a `token_file`, a token a
    line, tills bring their orders to it; `feie` lets Feieyun's integrations print; `metrics` are for Prometheus;
    `pages` are for people: everybody on the shop's network sees whether all is well (`public`: state), or nothing.
    """

    listen: Annotated[str, msgspec.Meta(examples=['"0.0.0.0:8480"'])]
    hosts: list[str] = []
    pages: bool = True
    public: Literal["state", "nothing"] = "state"
    token_file: Path | None = None
    feie: Feie | None = None
    metrics: bool = True

    def tokens(self) -> list[str]:
        """As they are now; lines that begin with # do not count.

        Raises ConfigError when the file can't be read, has none, or one that can be guessed.
        """
        if self.token_file is None:
            return []
        tokens = [line.strip() for line in read_secret(self.token_file).splitlines()]
        tokens = [token for token in tokens if token and not token.startswith("#")]
        if not tokens or min(map(len, tokens)) < SHORTEST_TOKEN:
            make = f"openssl rand -hex 24 > {self.token_file}"
            raise ConfigError(f"{self.token_file}: a token a line, of at least {SHORTEST_TOKEN} characters; {make}")
        return tokens


def check(reading: Reading) -> None:
    """Add every broken rule to the reading's problems."""
    listen = reading.values.get("console.listen") or "localhost"
    try:
        parse_host_port(listen, PORT)
    except ConfigError as exc:
        near = f'"127.0.0.1:{listen}" for this machine'
        alone = f'{listen} is a port alone; write "0.0.0.0:{listen}" for every network, {near}'
        reading.add("console.listen", alone if listen.isdecimal() else str(exc))
    first: dict[str, str] = {}
    for path, sn in reading.column("console.feie.printers[].sn"):
        if first.setdefault(sn, path) != path:
            reading.add(path, f"line {reading.marks[first[sn]].line} has this SN too; keep one of them")
    names = [name for _, name in reading.column("stations[].name")] or ["kitchen"]
    for path, name in reading.column("console.feie.printers[].station"):
        if name not in names:
            guess = did_you_mean(name, names) or f"there are: {', '.join(names)}"
            reading.add(path, f"there is no station '{name}'; {guess}")


def warnings(console: Console) -> list[str]:
    """What a person should know though the agent can start: secrets that are none."""
    found = []
    secrets: list[tuple[Path | None, Callable[[], object]]] = [(console.token_file, console.tokens)]
    if console.feie is not None:
        secrets.append((console.feie.ukey_file, console.feie.ukey))
    for path, read in secrets:
        try:
            if path is not None and path.exists():  # that it is not there is said of every secret
                read()
        except ConfigError as exc:
            found.append(f"console: {exc}")
    return found
