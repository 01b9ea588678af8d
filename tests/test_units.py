"""What systemd and udev are given: units that are hardened, that never give up, and that systemd itself finds right."""

import re
import shutil
import subprocess
from pathlib import Path
from xml.etree import ElementTree

import pytest

from agent.firstrun import LISTEN

SYSTEMD = Path(__file__).parents[1] / "systemd"
ANALYZE = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="apt install systemd")


@ANALYZE
@pytest.mark.parametrize(("unit", "threshold"), [("shop-agent.service", 13), ("shop-agent-boot.service", 16)])
def test_exposure_stays_low(unit: str, threshold: int) -> None:
    """`systemd-analyze security` finds the service at most at 1.3, and the one that root runs at boot at 1.6."""
    command = ["systemd-analyze", "security", "--offline=true", f"--threshold={threshold}", "--no-pager"]
    done = subprocess.run([*command, str(SYSTEMD / unit)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"Overall exposure level for {unit}: " in done.stdout


@ANALYZE
def test_systemd_finds_nothing_wrong_in_the_units(tmp_path: Path) -> None:
    """Each word of each unit is known, and the files that they name are there."""
    assert _complaints(tmp_path, {}) == []


@ANALYZE
def test_a_wrong_word_in_a_unit_is_found(tmp_path: Path) -> None:
    """The test above can fail."""
    wrong = _complaints(tmp_path, {"WatchdogSec=30s": "WatchdogSeconds=30s"})
    assert any("WatchdogSeconds" in line for line in wrong)


def test_a_box_without_time_or_network_prints() -> None:
    """Nothing that needs the internet is waited for; what must be mounted is."""
    for unit in ("shop-agent.service", "shop-agent-boot.service"):
        text = (SYSTEMD / unit).read_text()
        assert "RequiresMountsFor=/var/lib/shop-agent /etc/shop-agent\n" in text
        waited_for = " ".join(re.findall(r"^(?:After|Wants|Requires|BindsTo)=(.*)$", text, re.M))
        assert not {"network-online.target", "time-sync.target"} & set(waited_for.split())


GENERATOR = Path("/usr/lib/systemd/system-generators/systemd-fstab-generator")


@pytest.mark.skipif(not GENERATOR.exists(), reason="apt install systemd")
def test_the_example_of_a_read_only_root_mounts_what_changes(tmp_path: Path) -> None:
    """systemd makes a mount of each line: root stays read-only, what changes is on the partition, which is checked."""
    made = {name: tmp_path / name for name in ("normal", "early", "late")}
    for folder in made.values():
        folder.mkdir()
    env = {"SYSTEMD_FSTAB": str(SYSTEMD / "fstab.read-only"), "PATH": "/usr/bin:/bin"}
    done = subprocess.run([GENERATOR, *made.values()], env=env, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    units = {path.name: path.read_text() for path in made["normal"].glob("*.mount")}
    assert "Options=ro,noatime" in units["-.mount"]
    for name in (r"var-lib-shop\x2dagent.mount", r"etc-shop\x2dagent.mount", "var-lib-systemd-timesync.mount"):
        assert "What=/data/" in units[name]
    told = [line.split() for line in (SYSTEMD / "fstab.read-only").read_text().splitlines() if line.startswith("LABEL")]
    assert {line[1]: line[5] for line in told} == {"/": "1", "/data": "2"}  # both are checked at each boot
    box_keeps_starting = made["normal"] / "local-fs.target.requires"
    assert [path.name for path in box_keeps_starting.glob("data*")] == []  # without the partition somebody can log in


def test_an_update_opens_a_read_only_root_and_closes_it() -> None:
    """By a unit without a sandbox of its own, for as long as it runs, and only where the root is read-only."""
    update = (SYSTEMD / "shop-agent-update.service").read_text().splitlines()
    assert {"Wants=shop-agent-writable.service", "After=shop-agent-writable.service"} <= set(update)
    undo = (SYSTEMD / "shop-agent-recover.service").read_text().splitlines()
    assert {"ExecStartPre=-/usr/bin/mount -o remount,rw /", "ExecStopPost=-/usr/bin/mount -o remount /"} <= set(undo)
    opens = (SYSTEMD / "shop-agent-writable.service").read_text().splitlines()
    assert {"ConditionPathIsReadWrite=!/", "StopWhenUnneeded=yes", "RemainAfterExit=yes"} <= set(opens)
    assert not [line for line in (*opens, *undo) if line.startswith(("Private", "Protect", "ReadWrite"))]


def test_the_box_is_shown_on_the_network() -> None:
    """The port that a new box opens is the one that avahi tells."""
    service = ElementTree.fromstring((SYSTEMD / "avahi-shop-agent.xml").read_text()).find("service")
    assert service is not None
    assert (service.findtext("type"), service.findtext("port")) == ("_http._tcp", LISTEN.rpartition(":")[2])


def _complaints(root: Path, change: dict[str, str]) -> list[str]:
    """What `systemd-analyze verify` says of our units, on a machine where the agent and its manual are there."""
    folder = root / "units"
    folder.mkdir()
    targets = ["sysinit", "basic", "shutdown", "network", "time-set", "local-fs", "multi-user", "timers"]
    for name in [*(f"{target}.target" for target in targets), "-.mount", "system.slice", "tmp.mount"]:
        (folder / name).write_text("[Mount]\nWhat=none\nWhere=/tmp\n" if name == "tmp.mount" else "[Unit]\n")
    (folder / "-.mount").write_text("[Mount]\nWhat=none\nWhere=/\n")
    ours = sorted(path for path in SYSTEMD.iterdir() if path.suffix in (".service", ".timer"))
    for path in ours:
        text = path.read_text().replace("/usr/bin/shop-agent ", "/bin/true ")
        text = "".join(line for line in text.splitlines(True) if not line.startswith("Documentation="))
        for old, new in change.items():
            text = text.replace(old, new)
        (folder / path.name).write_text(text)
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *(str(folder / path.name) for path in ours)],
        capture_output=True,
        text=True,
        timeout=60,
        env={"SYSTEMD_UNIT_PATH": str(folder), "PATH": "/usr/bin:/bin", "XDG_RUNTIME_DIR": str(root)},
    )
    said = [line for line in (done.stdout + done.stderr).splitlines() if line.strip()]
    return said if done.returncode or said else []


def test_the_service_never_gives_up() -> None:
    """Whatever ends it, it starts again: at once, and after a wrong configuration each minute."""
    lines = (SYSTEMD / "shop-agent.service").read_text().splitlines()
    assert {"StartLimitIntervalSec=0", "Restart=always", "OnFailure=shop-agent-retry.timer"} <= set(lines)
    timer = (SYSTEMD / "shop-agent-retry.timer").read_text().splitlines()
    assert {"Unit=shop-agent.service", "RemainAfterElapse=no"} <= set(timer)


def test_every_kind_of_printer_is_the_services() -> None:
    """What the device policy lets through, udev gives to the service's group, and the other way round."""
    unit = (SYSTEMD / "shop-agent.service").read_text()
    rules = (SYSTEMD / "60-shop-agent-printers.rules").read_text()
    kinds = {"char-usb rw": 'KERNEL=="lp[0-9]*", GROUP', "char-usb_device rw": 'ENV{SHOP_AGENT_PRINTER}=="1", GROUP'}
    kinds |= {f"char-{tty} rw": f"{tty}[0-9]*" for tty in ("ttyUSB", "ttyACM", "ttyS", "ttyAMA")}
    allowed = {line.partition("=")[2] for line in unit.splitlines() if line.startswith("DeviceAllow=")}
    assert allowed == set(kinds)
    assert all(rule in rules for rule in kinds.values())
    drivers = " ".join(f"modprobe@{name}.service" for name in ("usblp", "usbserial", "cdc_acm"))
    assert {f"Wants={drivers}", f"After={drivers}"} <= set(unit.splitlines())  # without it a kind is not known
