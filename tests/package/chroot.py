"""A bare Debian in a folder, where a package is installed and tried: in namespaces of its own, so that nothing that it
mounts, starts or listens on is this machine's.
"""

import os
import shutil
import subprocess
from pathlib import Path

RUN_TIMEOUT_S = 300
_PROXIES = ("http_proxy", "https_proxy", "no_proxy")


def why_not() -> str:
    """What keeps this machine from making one; empty where nothing does."""
    if os.geteuid() != 0:
        return "needs root"
    missing = [name for name in ("mmdebstrap", "unshare", "dpkg-deb") if shutil.which(name) is None]
    return f"apt install {' '.join(missing)}" if missing else ""


def cached(suite: str) -> Path:
    """The archive of a bare system with apt and nothing else; made once, of Debian's packages."""
    folder = Path(os.environ.get("SHOP_AGENT_ROOT_CACHE", Path.home() / ".cache/shop-agent/roots"))
    folder.mkdir(parents=True, exist_ok=True)
    kept = folder / f"{suite}-apt.tar"
    if not kept.exists():
        growing = folder / f"{suite}-apt.new.tar"
        subprocess.run(["mmdebstrap", "--quiet", "--variant=apt", suite, str(growing)], check=True, timeout=900)
        growing.replace(kept)
    return kept


class Root:
    """One system, unpacked."""

    def __init__(self, suite: str, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        subprocess.run(["tar", "-C", str(folder), "-xf", str(cached(suite))], check=True)
        shutil.copy("/etc/resolv.conf", folder / "etc/resolv.conf")
        policy = folder / "usr/sbin/policy-rc.d"  # no package starts anything here
        policy.write_text("#!/bin/sh\nexit 101\n")
        policy.chmod(0o755)

    def run(
        self, script: str, *, network: bool = False, check: bool = True, mounts: str = ""
    ) -> subprocess.CompletedProcess[str]:
        """Run a shell script in it as root, to its end; without `network` there is only loopback. `mounts` is run by
        bash before, outside of it: "$0" is its folder.
        """
        alone = ["unshare", "--mount", "--pid", "--ipc", "--uts", "--fork", "--kill-child"]
        alone += [f"--mount-proc={self.folder}/proc", *([] if network else ["--net"])]
        up = "" if network else "ip link set lo up; "
        inside = f'set -e; {up}{mounts}\nexec chroot "$0" /usr/bin/env -i "${{@:2}}" /bin/sh -c "$1"'
        env = ["PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "DEBIAN_FRONTEND=noninteractive"]
        env += [f"{name}={os.environ[name]}" for name in _PROXIES if name in os.environ]
        done = subprocess.run(
            [*alone, "bash", "-c", inside, str(self.folder), script, *env],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=RUN_TIMEOUT_S,
            check=False,
        )
        if check and done.returncode:
            raise AssertionError(f"{script}\nexit {done.returncode}\n{done.stdout}")
        return done

    def text(self, path: str) -> str:
        """A file in it."""
        return (self.folder / path.lstrip("/")).read_text()
