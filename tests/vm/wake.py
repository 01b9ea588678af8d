"""Inside the guest, when it goes on from a kept memory: what no two nights of a true box have in common is made anew.

python -m tests.vm.wake SECONDS, the time now; then the agent starts, and the disks that it needs.
"""

import fcntl
import struct
import subprocess
import sys
import time
from pathlib import Path

ADD_ENTROPY, RESEED = 0x40085203, 0x5207
RANDOM_PORT, POOL = Path("/dev/hwrng"), Path("/dev/urandom")
DATA = Path("/dev/disk/by-label/data")


def main(now: str) -> None:
    """Set the clock, stir the random numbers, and start the agent."""
    time.clock_settime(time.CLOCK_REALTIME, float(now))
    with RANDOM_PORT.open("rb", buffering=0) as hardware, POOL.open("wb", buffering=0) as pool:
        fresh = hardware.read(32)
        fcntl.ioctl(pool, ADD_ENTROPY, struct.pack("ii", 8 * len(fresh), len(fresh)) + fresh)
        fcntl.ioctl(pool, RESEED)
    while not DATA.exists():
        time.sleep(0.05)
    subprocess.run(["systemctl", "start", "--no-block", "shop-agent-boot.service", "shop-agent.service"], check=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
