"""Versions of a package made out of one, a signed repository of them, and a systemctl for a system without systemd."""

import hashlib
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

from tests.package import PROJECT
from tests.package.chroot import Root

KEY = "shop packages"
SYSTEMCTL = """#!/bin/sh
# For the one unit that matters here: the agent, and the words by which packages speak of it. deb-systemd-invoke too.
pid=/run/agent.pid
up() { [ -s $pid ] && kill -0 "$(cat $pid)" 2>/dev/null; }
stop() { if up; then kill "$(cat $pid)"; while up; do sleep 0.1; done; fi; rm -f $pid; }
start() {
    up && return
    rm -f /var/lib/shop-agent/control
    setsid sh -c 'echo $$ >/run/agent.pid; exec setpriv --reuid shop-agent --regid shop-agent --clear-groups \\
        shop-agent run --first-run --printer virtual://kitchen' >>/tmp/agent.log 2>&1 </dev/null &
    for _ in $(seq 100); do [ -S /var/lib/shop-agent/control ] && return; sleep 0.1; done
    return 1
}
case " $* " in
    *" daemon-reload "* | *.timer* | *shop-agent-boot* ) ;;
    *is-active*) up ;;
    *" reset-failed shop-agent.service "*) rm -f /run/falls ;;
    *" show -P NRestarts shop-agent.service "*) up || echo >>/run/falls; cat /run/falls 2>/dev/null | wc -l ;;
    *" stop shop-agent.service "*) stop ;;
    *" start shop-agent.service "*) start ;;
    *" restart shop-agent.service "*) stop; start ;;
    *) echo "systemctl $*: not known here" >&2; exit 1 ;;
esac
"""


def as_version(deb: Path, version: str, change: Callable[[Path], None] = lambda _: None) -> Path:
    """Another build of a package: its version everywhere, and `change` done to its unpacked files."""
    was = deb.name.split("_")[1]
    root = deb.parent / f"root-{version}"
    subprocess.run(["dpkg-deb", "-R", str(deb), str(root)], check=True)
    home = root / "usr/lib/shop-agent"
    (home / was).rename(home / version)
    (home / "version").write_text(f"{version}\n")
    named = re.compile(rf'^(Version: |__version__ = "){re.escape(was)}', re.M)
    for path in (root / "DEBIAN/control", home / version / "agent/__init__.py"):
        path.write_text(named.sub(rf"\g<1>{version}", path.read_text()))
    change(root)
    files = [path for path in sorted(root.rglob("*")) if path.is_file() and path.parent != root / "DEBIAN"]
    sums = [f"{hashlib.md5(path.read_bytes()).hexdigest()}  {path.relative_to(root)}\n" for path in files]
    (root / "DEBIAN/md5sums").write_text("".join(sums))
    out = deb.parent / f"shop-agent_{version}_amd64.deb"
    subprocess.run(["dpkg-deb", "--root-owner-group", "-Zgzip", "-z1", "-b", str(root), str(out)], check=True)
    shutil.rmtree(root)
    return out


class Repository:
    """In the system's /repo, signed by a key of its own."""

    def __init__(self, system: Root, gpg: Path) -> None:
        self._folder = system.folder / "repo"
        gpg.mkdir(mode=0o700)
        self._env = {**os.environ, "GNUPGHOME": str(gpg)}
        made = ["gpg", "--batch", "--quiet", "--passphrase", "", "--quick-gen-key", KEY, "ed25519", "sign", "never"]
        subprocess.run(made, check=True, env=self._env)

    def publish(self, deb: Path) -> None:
        """For canary, and for all."""
        self._make("add", str(deb))
        self._make("promote", deb.name.split("_")[1])

    def _make(self, verb: str, what: str) -> None:
        command = [str(PROJECT / "scripts/make-repo"), verb, str(self._folder), "--key", KEY, what]
        subprocess.run(command, check=True, env=self._env, capture_output=True)
