"""The peer "cups": a raw queue, printed to with `lp` by a script with a persistent session.

An order is acknowledged once `lp` took it: from then on CUPS has it on disk, and tries again by itself. Its cupsd is
Debian's with Debian's policies (retry-job); only its folders are its own. Arguments: broker port, printer (host:port),
topic, a folder, and `set-up` to make the queue. `CUPS_ROOT` is where Debian's package is unpacked.
"""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import paho.mqtt.client as mqtt
from escpos.printer import Dummy  # type: ignore[import-untyped]  # it has no types
from paho.mqtt.enums import CallbackAPIVersion

from scripts.benchmarks.peers.ticket import print_ticket

START_TIMEOUT_S = 20.0
_DAEMON = """\
LogLevel warn
ErrorPolicy retry-job
Listen {folder}/cups.sock
Browsing No
WebInterface No
DefaultAuthType None
IdleExitTimeout 0
MaxJobs 0
<Location />
  Order allow,deny
  Allow all
</Location>
<Policy default>
  <Limit All>
    Order allow,deny
    Allow all
  </Limit>
</Policy>
"""
_FILES = """\
ServerRoot {folder}
RequestRoot {folder}/spool
CacheDir {folder}/cache
StateDir {folder}/state
TempDir {folder}/tmp
ServerBin {root}/usr/lib/cups
DataDir {root}/usr/share/cups
AccessLog {folder}/access_log
ErrorLog {folder}/error_log
PageLog {folder}/page_log
User lp
Group lp
SystemGroup root
"""


def start_cups(folder: Path, root: Path) -> "subprocess.Popen[bytes]":
    """Start cupsd and wait until it listens."""
    for name in ("spool", "cache", "state", "tmp"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / "cupsd.conf").write_text(_DAEMON.format(folder=folder))
    (folder / "cups-files.conf").write_text(_FILES.format(folder=folder, root=root))
    (folder / "cups.sock").unlink(missing_ok=True)
    files = ["-c", str(folder / "cupsd.conf"), "-s", str(folder / "cups-files.conf")]
    daemon = subprocess.Popen(["cupsd", "-f", *files])
    deadline = time.monotonic() + START_TIMEOUT_S
    while not (folder / "cups.sock").exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    return daemon


def set_up(folder: Path, root: Path, printer: str) -> None:
    """Make the queue, once. A clean stop has it on disk, as a queue is that was made some minutes ago."""
    daemon = start_cups(folder, root)
    queue = ["lpadmin", "-p", "kitchen", "-E", "-v", f"socket://{printer}", "-m", "raw"]
    subprocess.run(queue, check=True, stderr=subprocess.DEVNULL)
    daemon.terminate()
    daemon.wait(START_TIMEOUT_S)


def main() -> None:
    """Print what comes, for ever."""
    broker_port, printer, topic = sys.argv[1:4]
    folder, root = Path(sys.argv[4], "cups"), Path(os.environ["CUPS_ROOT"])
    os.environ["CUPS_SERVER"] = str(folder / "cups.sock")
    if sys.argv[5:]:
        set_up(folder, root, printer)
        return
    start_cups(folder, root)

    def on_connect(client: mqtt.Client, *_: Any) -> None:
        client.subscribe(topic, qos=1)

    def on_message(client: mqtt.Client, _userdata: Any, message: mqtt.MQTTMessage) -> None:
        order, ticket = json.loads(message.payload)["data"]["order"], Dummy()
        print_ticket(ticket, order)
        subprocess.run(["lp", "-s", "-d", "kitchen", "-o", "raw"], input=ticket.output, check=True)
        client.ack(message.mid, message.qos)
        print(f"done {order['no']}", flush=True)

    client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id="kitchen-cups", clean_session=False, manual_ack=True)
    client.on_connect = on_connect
    client.on_message = on_message
    client.connect("127.0.0.1", int(broker_port))
    client.loop_forever()


if __name__ == "__main__":
    main()
