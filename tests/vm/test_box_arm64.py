"""A machine like a Raspberry Pi: the package for arm64 is installed, and prints over USB what the cloud sends."""

from pathlib import Path

from tests.vm.box import powered
from tests.vm.outside import PATIENCE_S, outside, shell, until
from tests.vm.packages import package
from tests.vm.system import system


def test_the_arm64_package_installs_and_prints(tmp_path: Path) -> None:
    """On arm64's own Debian and kernel, emulated whole."""
    deb, image = package("arm64"), system("arm64")
    words = "rw fstab=no systemd.unit=multi-user.target"
    with outside(tmp_path) as around:
        with powered(image, around.hardware(words=words, packages=(deb,), arch="arm64")) as box:
            box.start(["python", "-m", "tests.vm.relay"])
            until(box, "test -e /dev/usb/lp0")
            assert shell(box, "uname -m") == "aarch64"
            config = around.config.encode()
            assert box.channel.run(
                ["sh", "-c", "mkdir -p /etc/shop-agent; cat >/etc/shop-agent/shop-agent.yaml"], stdin=config
            ) == (0, "")
            shell(box, f"dpkg -i /project/{deb.name}", 4 * PATIENCE_S)
            around.wait_online(timeout_s=2 * PATIENCE_S)
            around.wait_printed(around.order())
        verdict = around.verdict()
    assert verdict.fine, verdict.findings
