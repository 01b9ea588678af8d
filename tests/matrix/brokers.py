"""The brokers that install here, behind one interface."""

import json
import re
import shutil
import sys
from pathlib import Path

from agent.simulator.stage import find_mosquitto, free_port
from tests.matrix.child import MOST_QUEUED, BrokerChild, Setup, cache, said

MANY_QUEUED = 65000
INSTALL = "run scripts/matrix --install"


class Mosquitto(BrokerChild):
    """Eclipse Mosquitto, Debian's."""

    kind = "mosquitto"
    title = "Mosquitto"
    protocols = ("5", "3.1.1")
    setups = ("default", "safest", "limited")

    @classmethod
    def missing(cls) -> str:
        """It comes with scripts/setup."""
        try:
            find_mosquitto()
        except FileNotFoundError as exc:
            return str(exc)
        return ""

    @classmethod
    def version(cls) -> str:
        """From its help text."""
        program, environment = find_mosquitto()
        return _number(said([str(program), "-h"], **environment))

    @classmethod
    def settings(cls, setup: Setup) -> str:
        """In mosquitto.conf's words."""
        if setup == "default":
            return "`persistence true`"
        most = MOST_QUEUED if setup == "limited" else MANY_QUEUED
        return f"`persistence true`, `autosave_on_changes true`, `autosave_interval 1`, `max_queued_messages {most}`"

    def _launch(self, setup: Setup, /) -> None:
        lines = [
            f"listener {self.port} 127.0.0.1",
            "allow_anonymous true",
            "user root",
            "persistence true",
            f"persistence_location {self.data}/",
            "set_tcp_nodelay true",
        ]
        if setup != "default":
            lines += ["autosave_on_changes true", "autosave_interval 1"]
            lines += [f"max_queued_messages {MOST_QUEUED if setup == 'limited' else MANY_QUEUED}"]
        file = self.folder / "mosquitto.conf"
        file.write_text("\n".join(lines) + "\n")
        program, environment = find_mosquitto()
        self._spawn([str(program), "-c", str(file)], **environment)


class RabbitMq(BrokerChild):
    """RabbitMQ with its MQTT plugin, Debian's, unpacked; Erlang too. It has an epmd of its own."""

    kind = "rabbitmq"
    title = "RabbitMQ"
    setups = ("default", "limited")

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._distribution_port, self._epmd_port = free_port(), free_port()

    @classmethod
    def missing(cls) -> str:
        """Unpacked in the cache?"""
        return "" if _home() and cls._erlang().exists() else f"rabbitmq-server is not unpacked; {INSTALL}"

    @classmethod
    def version(cls) -> str:
        """From its folder's name."""
        return _number(str(_home()))

    @classmethod
    def settings(cls, setup: Setup) -> str:
        """In its own words."""
        return {"limited": f"a policy `max-length: {MOST_QUEUED}`"}.get(setup, super().settings(setup))

    @classmethod
    def _erlang(cls) -> Path:
        return cache() / "debian/usr/lib/erlang"

    def _launch(self, setup: Setup, /) -> None:
        erlang, home = self._erlang(), _home()
        programs = next(erlang.glob("erts-*/bin"))
        wrapper = self.folder / "bin/erl"
        wrapper.parent.mkdir(exist_ok=True)
        wrapper.write_text(
            f'#!/bin/sh\nexport ROOTDIR={erlang} BINDIR={programs} EMU=beam PROGNAME=erl\nexec "$BINDIR/erlexec" "$@"\n'
        )
        wrapper.chmod(0o755)
        (self.folder / "rabbitmq.conf").write_text(self._config(setup))
        (self.folder / "enabled_plugins").write_text("[rabbitmq_mqtt].\n")
        environment = {
            "HOME": str(self.folder),
            "PATH": f"{wrapper.parent}:/usr/bin:/bin",
            "ERL_EPMD_PORT": str(self._epmd_port),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_ALLOW_INPUT": "1",
            "RABBITMQ_NODENAME": "rabbit@localhost",
            "RABBITMQ_DIST_PORT": str(self._distribution_port),
            "RABBITMQ_CONF_ENV_FILE": "/dev/null",
            "RABBITMQ_CONFIG_FILE": str(self.folder / "rabbitmq"),
            "RABBITMQ_ADVANCED_CONFIG_FILE": str(self.folder / "none"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self.folder / "enabled_plugins"),
            "RABBITMQ_PLUGINS_DIR": f"{home}/plugins",
            "RABBITMQ_MNESIA_BASE": str(self.data),
            "RABBITMQ_LOG_BASE": str(self.folder),
            "RABBITMQ_LOGS": "-",
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-noinput -start_epmd false",
        }
        self._spawn([str(programs / "epmd"), "-port", str(self._epmd_port)], **environment)
        self._spawn([f"{home}/sbin/rabbitmq-server"], **environment)

    def stop(self) -> None:
        """Erlang first: its epmd ends with the rest."""
        epmd, server = self._children or (None, None)
        if epmd and server:
            server.terminate()
            server.wait(60)
        self.kill()

    def _config(self, setup: Setup) -> str:
        lines = [
            "listeners.tcp = none",
            f"mqtt.listeners.tcp.1 = 127.0.0.1:{self.port}",
            "mqtt.allow_anonymous = true",
            "log.console = true",
            "log.console.level = warning",
            "vm_memory_high_watermark.absolute = 400MB",
            "disk_free_limit.absolute = 50MB",
        ]
        if setup == "limited":
            policy = {
                "vhost": "/",
                "name": "short",
                "pattern": "^mqtt-subscription-s1-box1",
                "apply-to": "queues",
                "definition": {"max-length": MOST_QUEUED},
            }
            people = [{"name": "guest", "password": "guest", "tags": "administrator"}]
            rights = [{"user": "guest", "vhost": "/", "configure": ".*", "write": ".*", "read": ".*"}]
            told = {"vhosts": [{"name": "/"}], "users": people, "permissions": rights, "policies": [policy]}
            file = self.folder / "definitions.json"
            file.write_text(json.dumps(told))
            lines += [f"load_definitions = {file}"]
        return "\n".join(lines) + "\n"


class Nats(BrokerChild):
    """NATS with JetStream, Debian's."""

    kind = "nats"
    title = "NATS"

    @classmethod
    def program(cls) -> Path:
        """The server."""
        return cache() / "debian/usr/sbin/nats-server"

    @classmethod
    def missing(cls) -> str:
        """In the cache?"""
        return "" if cls.program().exists() else f"nats-server is not unpacked; {INSTALL}"

    @classmethod
    def version(cls) -> str:
        """As it says."""
        return _number(said([str(cls.program()), "--version"]))

    def _launch(self, _setup: Setup, /) -> None:
        file = self.folder / "nats.conf"
        file.write_text(
            f'server_name: matrix\nlisten: "127.0.0.1:{free_port()}"\njetstream {{ store_dir: "{self.data}" }}\n'
            f'mqtt {{ listen: "127.0.0.1:{self.port}" }}\n'
        )
        self._spawn([str(self.program()), "-c", str(file)])


class NewNats(Nats):
    """The newest NATS, as PyPI has it."""

    kind = "nats-new"
    title = "NATS, new"

    @classmethod
    def program(cls) -> Path:
        """The server."""
        return cache() / "nats/bin/nats-server"


class Aedes(BrokerChild):
    """aedes on node: in memory by default, with LevelDB as its safest."""

    kind = "aedes"
    title = "aedes"
    setups = ("default", "safest")

    @classmethod
    def missing(cls) -> str:
        """Node, and the package in the cache?"""
        if not shutil.which("node"):
            return "node is not installed"
        return "" if (cache() / "aedes/node_modules/aedes").exists() else f"aedes is not installed; {INSTALL}"

    @classmethod
    def version(cls) -> str:
        """From its package."""
        return str(json.loads((cache() / "aedes/node_modules/aedes/package.json").read_text())["version"])

    @classmethod
    def settings(cls, setup: Setup) -> str:
        """Where its sessions are."""
        return "in memory" if setup == "default" else "`aedes-persistence-level`"

    def _launch(self, setup: Setup, /) -> None:
        script = Path(__file__).with_name("aedes.mjs")
        folder = [] if setup == "default" else [str(self.data)]
        self._spawn([str(shutil.which("node")), str(script), str(cache()), str(self.port), *folder])


class Amqtt(BrokerChild):
    """amqtt, from PyPI, in its own environment."""

    kind = "amqtt"
    title = "amqtt"

    @classmethod
    def missing(cls) -> str:
        """In the cache?"""
        return "" if (cache() / "amqtt/bin/amqtt").exists() else f"amqtt is not installed; {INSTALL}"

    @classmethod
    def version(cls) -> str:
        """As it says."""
        return _number(said([str(cache() / "amqtt/bin/amqtt"), "--version"]))

    def _launch(self, _setup: Setup, /) -> None:
        file = self.folder / "amqtt.yaml"
        file.write_text(
            f"listeners:\n  default: {{type: tcp, bind: '127.0.0.1:{self.port}'}}\n"
            "plugins:\n  amqtt.plugins.authentication.AnonymousAuthPlugin: {allow_anonymous: true}\n"
        )
        self._spawn([str(cache() / "amqtt/bin/amqtt"), "-c", str(file)])


KINDS: tuple[type[BrokerChild], ...] = (Mosquitto, RabbitMq, Nats, NewNats, Aedes, Amqtt)


def _home() -> Path | None:
    return next(iter((cache() / "debian/usr/lib/rabbitmq/lib").glob("rabbitmq_server-*")), None)


def _number(text: str) -> str:
    found = re.search(r"\d+\.\d+\.\d+", text)
    return found.group() if found else "?"


if __name__ == "__main__":
    for kind in KINDS:
        print(f"{kind.kind:10} {kind.missing() or kind.version()}", file=sys.stdout)
