"""Runs inside the guest, on nothing but the standard library: does what comes over the control channel's port.

In, a JSON line each:   {"id": 1, "run": ["ls"], "env": {}, "cwd": "/", "stdin": "base64"}   {"id": 1, "signal": 15}
        {"hello": true}: are you there?   {"id": 1, "wake": 1700000000.0}: go on from a kept memory, at this time
Out: {"ready": true, "python": [3, 11]}   {"id": 1, "out": "base64"}   {"id": 1, "exit": 0}   {"id": 1, "error": "..."}
"""

import base64
import fcntl
import json
import os
import struct
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

PORT = "ctl"
_CHUNK = 16384
_ADD_ENTROPY, _RESEED = 0x40085203, 0x5207
_DATA = Path("/dev/disk/by-label/data")
_SERVICES = ("shop-agent-boot.service", "shop-agent.service")


def port_path(name: str, timeout_s: float = 30.0) -> Path:
    """The device file of a virtio-serial port."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        for folder in Path("/sys/class/virtio-ports").glob("*"):
            if (folder / "name").read_text().strip() == name:
                return Path("/dev", folder.name)
        time.sleep(0.05)
    raise FileNotFoundError(f"this guest has no virtio-serial port {name}")


class Server:
    """The commands that run, by their id."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._lock = threading.Lock()
        self._running: dict[int, subprocess.Popen[bytes]] = {}

    def say(self, **message: Any) -> None:
        """One line out; a port takes a part of it now and then."""
        line = json.dumps(message).encode() + b"\n"
        with self._lock:
            while line:
                line = line[os.write(self._descriptor, line) :]

    def hear(self, line: bytes) -> None:
        """One line in."""
        message = json.loads(line)
        if "hello" in message:
            self.say(ready=True, python=sys.version_info[:2])
            return
        if "signal" in message:
            process = self._running.get(message["id"])
            if process is not None:
                os.killpg(process.pid, message["signal"])
            return
        do = self._wake if "wake" in message else self._run
        threading.Thread(target=do, args=(message,), daemon=True).start()

    def _wake(self, message: dict[str, Any]) -> None:
        wake(message["wake"])
        self.say(id=message["id"], exit=0)

    def _run(self, message: dict[str, Any]) -> None:
        number = message["id"]
        given = base64.b64decode(message.get("stdin") or "")
        try:
            process = subprocess.Popen(
                message["run"],
                env={**os.environ, **message.get("env", {})},
                cwd=message.get("cwd") or "/",
                stdin=subprocess.PIPE if given else subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        except OSError as error:
            self.say(id=number, error=str(error))
            return
        self._running[number] = process
        if process.stdin is not None:
            threading.Thread(target=_give, args=(process.stdin, given), daemon=True).start()
        assert process.stdout is not None
        while data := os.read(process.stdout.fileno(), _CHUNK):
            self.say(id=number, out=base64.b64encode(data).decode())
        self.say(id=number, exit=process.wait())
        del self._running[number]


def wake(now: float) -> None:
    """What no two nights of a true box have in common is made anew: the clock, and what random numbers come of. Then
    the services start, and the disks that they need.
    """
    time.clock_settime(time.CLOCK_REALTIME, now)
    with Path("/dev/hwrng").open("rb", buffering=0) as hardware, Path("/dev/urandom").open("wb", buffering=0) as pool:
        fresh = hardware.read(32)
        fcntl.ioctl(pool, _ADD_ENTROPY, struct.pack("ii", 8 * len(fresh), len(fresh)) + fresh)
        fcntl.ioctl(pool, _RESEED)
    while not _DATA.exists():
        time.sleep(0.05)
    subprocess.run(["systemctl", "start", "--no-block", *_SERVICES], check=True)


def _give(pipe: Any, data: bytes) -> None:
    with pipe:
        pipe.write(data)


def main() -> None:
    """Serve until the port is closed, which is never: the host kills the machine."""
    descriptor = os.open(port_path(PORT), os.O_RDWR)
    server = Server(descriptor)
    server.say(ready=True, python=sys.version_info[:2])
    rest = b""
    while True:
        data = os.read(descriptor, 65536)
        if not data:  # the host has hung up, or is not there yet
            time.sleep(0.05)
            continue
        *lines, rest = (rest + data).split(b"\n")
        for line in lines:
            server.hear(line)


if __name__ == "__main__":
    main()
