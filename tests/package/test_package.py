"""The package on a bare Debian: installed, run, upgraded, killed half-way, removed and purged. scripts/test --package.

It builds packages and installs Debian's into chroots, so it needs root, apt and three minutes, and is skipped without.
"""

import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from scripts.deb import wheels
from tests.package import NEW, OLD, ON_BARE_DEBIAN, PROJECT, build, copy_project, deb_name
from tests.package.chroot import Root
from tests.package.updaterig import as_version

pytestmark = ON_BARE_DEBIAN
ORDER = """{"id":"8812","rev":1,"channel":"desk","no":"42","items":[{"id":"L1","name":"豆浆","qty":"2"}]}"""

RUN = """
cd /var/lib/shop-agent
as="setpriv --reuid shop-agent --regid shop-agent --clear-groups"
$as shop-agent run --first-run --printer virtual://kitchen --listen 127.0.0.1:8480 >/tmp/log 2>&1 &
agent=$!
until_there() { for _ in $(seq 300); do [ -s "virtual/kitchen/$1.txt" ] && return; sleep 0.1; done; cat /tmp/log; }
until_there 0001
printf %s '@ORDER@' >/tmp/order.json
shop-agent print /tmp/order.json
until_there 0002
shop-agent status
kill $agent
wait $agent
echo "ended: $?"
""".replace("@ORDER@", ORDER)

POSTINST = "/var/lib/dpkg/info/shop-agent.postinst"
READ_ONLY = """
mount --rbind "$0" "$0"
mount -o remount,bind,ro "$0"
mount -t tmpfs tmpfs "$0/tmp"
mount --bind "$0.data/shop-agent" "$0/var/lib/shop-agent"
mount --bind "$0.data/etc-shop-agent" "$0/etc/shop-agent"
"""
"""A root as in systemd/fstab.read-only."""


@pytest.fixture(scope="session", params=["bookworm", "trixie"])
def root(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, debs: Path) -> Iterator[Root]:
    """A bare Debian, with the packages in /debs; its tests run in the order in which they stand here."""
    made = Root(request.param, tmp_path_factory.mktemp("root") / request.param)
    shutil.copytree(debs, made.folder / "debs")
    yield made
    shutil.rmtree(made.folder)


def _members(deb: Path) -> list[str]:
    listed = subprocess.run(["dpkg-deb", "--contents", str(deb)], check=True, capture_output=True, text=True).stdout
    return [line.split(None, 5)[5] for line in listed.splitlines()]


# -- the file ---------------------------------------------------------------------------------------------------------


def test_the_same_sources_make_the_same_package(sources: Path, tmp_path: Path) -> None:
    """Whoever builds it again, elsewhere and at another time, gets the same bytes, and so can see what is in it."""
    elsewhere = copy_project(sources, tmp_path / "elsewhere")
    made: list[bytes] = []
    for project in (sources, elsewhere):
        out = tmp_path / f"out{len(made)}"
        build(project, out, "--version", NEW, "arm64")
        made.append((out / deb_name(NEW, "arm64")).read_bytes())
    assert made[0] == made[1]


@pytest.mark.parametrize("arch", wheels.MACHINES)
def test_lintian_finds_nothing_but_what_is_named(debs: Path, arch: str) -> None:
    """Debian's own checker is content, but for the overrides that packaging/lintian-overrides explains."""
    if shutil.which("lintian") is None:
        pytest.skip("apt install lintian")
    command = ["lintian", "--allow-root", "--no-cfg", str(debs / deb_name(NEW, arch))]
    done = subprocess.run(command, capture_output=True, text=True)
    assert [line for line in done.stdout.splitlines() if line[:2] in ("E:", "W:")] == []


@pytest.mark.parametrize("arch", wheels.MACHINES)
def test_each_package_is_for_its_machine_and_for_both_pythons(debs: Path, arch: str, tmp_path: Path) -> None:
    """Nothing of this machine gets into the other's package; each Python has its own compiled parts, or shares them."""
    subprocess.run(["dpkg-deb", "--extract", str(debs / deb_name(NEW, arch)), str(tmp_path)], check=True)
    (packages,) = (tmp_path / "usr/lib/shop-agent").glob("packages-*")
    assert (tmp_path / f"usr/lib/shop-agent/{NEW}/packages").read_text() == f"{packages.name}\n"
    libraries = sorted(packages.rglob("*.so*"))
    machine = {"amd64": 62, "arm64": 183}[arch]  # e_machine of ELF, two bytes at 18
    assert {int.from_bytes(path.read_bytes()[18:20], "little") for path in libraries} == {machine}
    tags = {f"cpython-{major}{minor}-{wheels.MACHINES[arch]}-linux-gnu" for major, minor in wheels.PYTHONS}
    per_python: dict[str, set[str]] = {}
    for path in libraries:
        if found := re.fullmatch(r"(.+?)\.(cpython-[^.]+)\.so", path.relative_to(packages).as_posix()):
            per_python.setdefault(found[1], set()).add(found[2])
    assert len(per_python) >= 8
    assert all(has == tags for has in per_python.values()), per_python
    assert (tmp_path / "usr/bin/shop-agent").stat().st_mode & 0o777 == 0o755


def test_the_pointer_to_the_version_is_replaced_last(debs: Path) -> None:
    """dpkg renames in the order of the archive: whenever it is cut, the pointer names a folder that is whole."""
    members = [name for name in _members(debs / deb_name(NEW)) if name.startswith("./usr/lib/shop-agent/")]
    assert members[-1] == "./usr/lib/shop-agent/version"


# -- a system ---------------------------------------------------------------------------------------------------------


def test_it_installs_on_a_bare_system(root: Root) -> None:
    """dpkg -i, and apt brings what is missing; the service's user, folders and links are there."""
    root.run(f"dpkg -i /debs/{deb_name(OLD)}", check=False)
    root.run("apt-get -qq update; apt-get -qq -y -f --no-install-recommends install", network=True)
    assert root.run("dpkg-query -W -f '${Status} ${Version}' shop-agent").stdout == f"install ok installed {OLD}"
    assert root.run("shop-agent version").stdout.startswith(f"shop-agent {OLD} (Python 3.")
    assert root.run("stat -c '%U %a' /var/lib/shop-agent /etc/shop-agent").stdout == "shop-agent 700\nshop-agent 755\n"
    assert "<port>8480</port>" in root.text("/etc/avahi/services/shop-agent.service")
    for unit in ("shop-agent.service", "shop-agent-boot.service"):
        assert (root.folder / f"etc/systemd/system/multi-user.target.wants/{unit}").is_symlink()
    assert root.run("shop-agent config check", check=False).returncode == 78  # there is none yet


def test_a_new_box_prints_its_welcome_and_an_order(root: Root) -> None:
    """Started with nothing configured, as its own user: the welcome ticket, then an order, both on paper."""
    said = root.run(RUN).stdout
    paper = [root.text(f"/var/lib/shop-agent/virtual/kitchen/000{number}.txt") for number in (1, 2)]
    assert "W E L C O M E" in paper[0].replace("WELCOME", "W E L C O M E"), said
    assert "豆浆" in paper[1].replace(" ", ""), said
    assert "#42" in paper[1].replace(" ", ""), said
    assert "ended: 0" in said
    assert root.run("find /var/lib/shop-agent ! -user shop-agent").stdout == ""
    assert root.run("shop-agent config check").returncode == 0


def test_all_that_the_package_brings_can_be_loaded(root: Root) -> None:
    """Each module of the agent and each compiled part, with this system's Python and libraries."""
    script = """
import sys
import pathlib
home, tag, count = pathlib.Path("/usr/lib/shop-agent/@V@"), sys.implementation.cache_tag, 0
packages = home.parent / (home / "packages").read_text().strip()
sys.path[:0] = [str(home), str(packages)]
import importlib
names = [".".join(p.relative_to(home).with_suffix("").parts) for p in sorted((home / "agent").rglob("*.py"))]
names += [".".join(p.relative_to(packages).parts).split("." + tag)[0].split(".abi3")[0]
          for p in sorted(packages.rglob("*.so")) if tag in p.name or "abi3" in p.name]
for name in names:
    if not name.endswith("__main__"):
        importlib.import_module(name.removesuffix(".__init__")); count += 1
print("loaded", count > 200)
""".replace("@V@", OLD)
    (root.folder / "tmp/load.py").write_text(script)
    assert root.run("python3 -IS -W error::ImportWarning /tmp/load.py").stdout.splitlines()[-1] == "loaded True"


def test_its_rules_are_ones_that_udev_reads(root: Root) -> None:
    """udev finds no mistake in them, where it can look (from 254 on)."""
    rules = "/usr/lib/udev/rules.d/60-shop-agent-printers.rules"
    done = root.run(f"udevadm verify {rules}", check=False)
    if "Unknown command verb" in done.stdout or "unrecognized" in done.stdout:
        pytest.skip("this udev has no verify")
    assert done.returncode == 0, done.stdout


def test_its_units_are_ones_that_this_systemd_reads(root: Root) -> None:
    """No word in them is unknown to it, and the program and the manual that they name are there."""
    done = root.run("systemd-analyze verify --man=no /usr/lib/systemd/system/shop-agent*", check=False)
    assert not [line for line in done.stdout.splitlines() if "shop-agent" in line], done.stdout


def test_an_upgrade_that_is_killed_leaves_the_old_version_or_the_new(root: Root) -> None:
    """dpkg is killed at moments all over an upgrade, as by a power cut: what then starts is whole, and apt mends it."""
    back = f"dpkg --force-downgrade -i /debs/{deb_name(OLD)}"
    began = time.monotonic()
    root.run(f"dpkg -i /debs/{deb_name(NEW)}")
    takes_s = time.monotonic() - began
    found = set()
    for part in (0.05, 0.2, 0.35, 0.5, 0.7, 0.9, 3.0):
        root.run(back)
        root.run(f"timeout -s KILL {part * takes_s:.2f} dpkg -i /debs/{deb_name(NEW)}", check=False)
        said = root.run("shop-agent version && shop-agent preview --width 32").stdout
        version = re.match(rf"shop-agent ({re.escape(OLD)}|{re.escape(NEW)}) ", said)
        assert version is not None, said
        found.add(version[1])
    assert found == {OLD, NEW}  # else the moments were all too early or too late
    root.run(back)


def test_what_was_compiled_of_the_same_packages_is_used_again(root: Root) -> None:
    """An upgrade compiles what is new. Where the power went while something was compiled, all of it is compiled anew: a
    file may end too soon, though its head is right.
    """
    (compiled,) = root.folder.glob("usr/lib/shop-agent/packages-*/click/__pycache__/core.*.pyc")
    before = compiled.stat().st_ino, compiled.read_bytes()
    root.run(f"dpkg -i /debs/{deb_name(NEW)}")
    assert (compiled.stat().st_ino, compiled.read_bytes()) == before
    assert list(root.folder.glob(f"usr/lib/shop-agent/{NEW}/agent/__pycache__/app.*.pyc"))
    (compiled.parents[2] / ".compiled").unlink()
    os.truncate(compiled, 2000)
    root.run(f"dpkg -i --force-downgrade /debs/{deb_name(OLD)}")
    assert compiled.read_bytes() == before[1]
    assert root.run("shop-agent version").stdout.startswith(f"shop-agent {OLD} ")


def _compiled(root: Root) -> tuple[Path, Path]:
    """Of the packages, and of the version."""
    (package,) = root.folder.glob("usr/lib/shop-agent/packages-*/click/__pycache__/core.*.pyc")
    (own,) = root.folder.glob("usr/lib/shop-agent/*/agent/__pycache__/app.*.pyc")
    return package, own


def test_what_was_compiled_and_is_damaged_is_compiled_anew(root: Root) -> None:
    """By any version that comes where its end is missing, and by the same version again whatever it is."""
    package, own = _compiled(root)
    whole = package.read_bytes()
    os.truncate(package, 200)
    assert root.run("shop-agent config check", check=False).returncode == 1
    root.run(f"dpkg -i /debs/{deb_name(NEW)}")
    assert package.read_bytes() == whole
    package.write_bytes(whole[:200] + bytes(reversed(whole[200:])))
    root.run(f"dpkg -i /debs/{deb_name(NEW)}")
    assert package.read_bytes() == whole
    root.run(f"dpkg -i --force-downgrade /debs/{deb_name(OLD)}")

    marker = package.parents[2] / ".compiled"
    marker.unlink()  # as it is where the script was killed while it compiled
    whole = own.read_bytes()
    os.truncate(own, 200)
    root.run(f"{POSTINST} configure")
    assert (own.read_bytes(), marker.exists()) == (whole, True)


def test_everything_is_compiled_for_the_python_that_is_there(root: Root) -> None:
    """Also where root's environment would have it elsewhere, and after Debian brought another Python. Nothing but the
    package's script writes it.
    """
    home, script = root.folder / "usr/lib/shop-agent", f"{POSTINST} configure"
    marker = _compiled(root)[0].parents[2] / ".compiled"

    def missing() -> set[Path]:
        tag = marker.read_text().strip()
        there = {path.parents[1] / f"{path.name.partition('.')[0]}.py" for path in home.rglob(f"*.{tag}.pyc")}
        return set(home.rglob("*.py")) - there

    assert missing() == set()
    marker.unlink()
    root.run(f"PYTHONPYCACHEPREFIX=/tmp/pyc PYTHONOPTIMIZE=1 SOURCE_DATE_EPOCH=1 {script}")
    assert missing() == set()
    marker.write_text("cpython-310\n")
    root.run("find /usr/lib/shop-agent -name '*.pyc' -delete; shop-agent config check", check=False)
    assert not list(home.rglob("*.pyc"))
    root.run("dpkg-trigger --by-package=python3-minimal /usr/bin/python3; dpkg --configure -a")
    assert missing() == set()
    before = _compiled(root)[1].stat().st_ino
    root.run("dpkg-trigger --by-package=python3-minimal /usr/bin/python3; dpkg --configure -a")
    assert _compiled(root)[1].stat().st_ino == before


FULL = """
mount -t tmpfs -o size=200m tmpfs "$0/mnt"
cp -a "$0/usr/lib/shop-agent/." "$0/mnt"
find "$0/mnt" -name __pycache__ -prune -exec rm -rf {} +
rm "$0"/mnt/packages-*/.compiled
mount -o remount,size=$(($(du -sk "$0/mnt" | cut -f1) + 3000))k "$0/mnt"
mount --bind "$0/mnt" "$0/usr/lib/shop-agent"
"""
"""Room for a part of what is compiled."""


def test_a_full_disk_is_said_and_leaves_nothing_that_is_torn(root: Root) -> None:
    """The agent can be started as it is, and goes on where there is room."""
    look = "find /usr/lib/shop-agent -name '*.pyc' -o -name .compiled"
    said = root.run(f"{POSTINST} configure || echo exit $?; {look}; shop-agent version", mounts=FULL).stdout
    assert "is the disk full? Make room, then: sudo dpkg --configure -a\nexit 1\nshop-agent" in said


def test_packages_that_the_next_version_does_not_need_leave_nothing(root: Root, debs: Path, tmp_path: Path) -> None:
    """Nor does dpkg complain of what it can't take away."""
    deb = as_version(Path(shutil.copy(debs / deb_name(NEW), tmp_path)), "0.1.1", _other_packages)
    shutil.move(deb, root.folder / "tmp" / deb.name)
    said = root.run(f"dpkg -i /tmp/{deb.name} 2>&1").stdout
    assert "not empty" not in said
    home = root.folder / "usr/lib/shop-agent"
    assert sorted(path.name for path in home.iterdir()) == ["0.1.1", "packages-other", "version"]
    assert list(home.glob("packages-other/click/__pycache__/core.*.pyc"))
    assert root.run("shop-agent version").stdout.startswith("shop-agent 0.1.1 ")
    assert "not empty" not in root.run(f"dpkg -i --force-downgrade /debs/{deb_name(OLD)} 2>&1").stdout


def _other_packages(root: Path) -> None:
    (packages,) = root.glob("usr/lib/shop-agent/packages-*")
    packages.rename(packages.with_name("packages-other"))
    (root / "usr/lib/shop-agent/0.1.1/packages").write_text("packages-other\n")


def test_an_upgrade_keeps_orders_and_configuration(root: Root) -> None:
    """The new version runs on what the old one left, and nothing of the old one stays behind."""
    before = root.text("/etc/shop-agent/shop-agent.yaml")
    journal = root.folder / "var/lib/shop-agent/journal.db"
    size = journal.stat().st_size
    root.run(f"dpkg -i /debs/{deb_name(NEW)}")
    assert root.run("shop-agent version").stdout.startswith(f"shop-agent {NEW} ")
    assert root.text("/etc/shop-agent/shop-agent.yaml") == before
    assert journal.stat().st_size == size
    found = sorted(path.name for path in (root.folder / "usr/lib/shop-agent").iterdir())
    assert [name.partition("-")[0] for name in found] == [NEW, "packages", "version"]
    assert root.run("dpkg --verify shop-agent").stdout == ""


def test_the_order_of_before_is_known_after_the_upgrade(root: Root) -> None:
    """The same order again, given to the new version, is no second ticket."""
    root.run("rm -rf /var/lib/shop-agent/virtual")
    up = "for _ in $(seq 300); do shop-agent status >/dev/null 2>&1; [ $? = 69 ] || break; sleep 0.1; done"
    said = root.run(RUN.replace("until_there 0001", up).replace("until_there 0002", "sleep 1")).stdout
    assert "a duplicate, not printed again" in said
    assert "ended: 0" in said
    assert not list((root.folder / "var/lib/shop-agent").glob("virtual/kitchen/*.txt")), said


def test_a_read_only_root_prints(root: Root) -> None:
    """With the orders and the configuration on a partition of their own a new box says welcome and prints an order."""
    data = root.folder.with_name(f"{root.folder.name}.data")
    owner = (root.folder / "var/lib/shop-agent").stat()
    for name in ("shop-agent", "etc-shop-agent"):
        (data / name).mkdir(parents=True)
        os.chown(data / name, owner.st_uid, owner.st_gid)
    said = root.run(f"touch /usr/written /etc/written || echo read-only\n{RUN}", mounts=READ_ONLY).stdout
    assert "read-only" in said
    assert "ended: 0" in said
    paper = (data / "shop-agent/virtual/kitchen/0002.txt").read_text()
    assert "#42" in paper.replace(" ", ""), said
    assert (data / "etc-shop-agent/shop-agent.yaml").exists()
    shutil.rmtree(data)


def test_removing_keeps_orders_and_configuration(root: Root) -> None:
    """Whoever removes it by mistake installs it again and has lost nothing."""
    left = root.folder / f"usr/lib/shop-agent/{OLD}/agent/__pycache__/app.cpython-311.pyc"
    left.parent.mkdir(parents=True)
    left.write_bytes(b"")
    root.run("dpkg -r shop-agent")
    assert not (root.folder / "usr/lib/shop-agent").exists()
    assert not (root.folder / "usr/bin/shop-agent").exists()
    assert (root.folder / "var/lib/shop-agent/journal.db").stat().st_size
    assert "virtual://kitchen" in root.text("/etc/shop-agent/shop-agent.yaml")
    shutil.copy(PROJECT / "scripts/install", root.folder / "root/install")
    root.run(f"sh /root/install /debs/{deb_name(NEW)} && shop-agent config check", network=True)


def test_the_installer_goes_on_after_it_was_killed(root: Root) -> None:
    """Power went while files were written, or before the package's script had run: apt itself would only refuse."""
    again = f"sh /root/install /debs/{deb_name(NEW)} && dpkg --audit"
    root.run("dpkg -P shop-agent")
    killed = f"dpkg -i /debs/{deb_name(NEW)} & while [ ! -d /usr/lib/shop-agent ]; do :; done; kill -9 $!"
    assert "reinstreq" in root.run(f"{killed}; dpkg-query -W -f '${{Status}}' shop-agent").stdout
    assert f"installed: shop-agent {NEW} " in root.run(again, network=True).stdout
    root.run(f"dpkg -P shop-agent; dpkg --unpack /debs/{deb_name(NEW)}")
    assert f"installed: shop-agent {NEW} " in root.run(again, network=True).stdout


def test_a_purge_leaves_nothing(root: Root) -> None:
    """Not a file, not a user; and it asks nothing."""
    root.run("dpkg -P shop-agent")
    left = root.run("find / -xdev -name '*shop-agent*' ! -path '/debs*' ! -path '/tmp/*'").stdout
    assert left == ""
    assert "shop-agent" not in root.text("/etc/passwd") + root.text("/etc/group")
    root.run("dpkg -P shop-agent")  # again: no harm


# -- from a repository ------------------------------------------------------------------------------------------------


def test_the_installer_takes_it_from_a_signed_repository(root: Root, debs: Path, tmp_path: Path) -> None:
    """A stick with a repository: stable gives what was promoted, canary the newest; another's signature is refused."""
    env = {**os.environ, "GNUPGHOME": str(tmp_path)}
    tmp_path.chmod(0o700)
    made = ["gpg", "--batch", "--quiet", "--passphrase", "", "--quick-gen-key", "shop packages", "ed25519", "sign"]
    subprocess.run([*made, "never"], check=True, env=env)
    repo = root.folder / "repo"
    verbs = [["add", *(str(debs / deb_name(version)) for version in (OLD, NEW))], ["promote", OLD]]
    for verb, *rest in verbs:
        command = [str(PROJECT / "scripts/make-repo"), verb, str(repo), "--key", "shop packages", *rest]
        subprocess.run(command, check=True, env=env)
    shutil.copy(PROJECT / "scripts/install", root.folder / "root/install")
    said = root.run("sh /root/install file:/repo --name box7", network=True).stdout
    assert f"shop-agent {OLD} " in said
    assert "http://box7.local:8480" in said
    assert root.text("/etc/hostname") == "box7\n"
    root.run("sh /root/install file:/repo --suite canary", network=True)
    assert root.run("shop-agent version").stdout.startswith(f"shop-agent {NEW} ")

    wrong = root.run(f"sh /root/install file:/repo --fingerprint {'0' * 40}", network=True, check=False)
    assert wrong.returncode != 0
    assert "the key is another one" in wrong.stdout
    own, stranger = (tmp_path / name for name in ("own", "stranger"))
    fingerprint = _export("shop packages", env, own)
    stranger.mkdir(mode=0o700)
    theirs = {**os.environ, "GNUPGHOME": str(stranger)}
    subprocess.run([*made[:-3], "a stranger", "ed25519", "sign", "never"], check=True, env=theirs)
    _export("a stranger", theirs, stranger / "key")
    (repo / "shop-agent.gpg").write_bytes(own.read_bytes() + (stranger / "key").read_bytes())
    root.run(f"sh /root/install file:/repo --suite canary --fingerprint {fingerprint}", network=True)
    kept = ["gpg", "--show-keys", "--with-colons", str(root.folder / "etc/apt/keyrings/shop-agent.gpg")]
    said = subprocess.run(kept, env=env, check=True, capture_output=True, text=True).stdout
    assert [line.split(":")[9] for line in said.splitlines() if line[:4] == "fpr:"] == [fingerprint]

    listed = repo / "dists/canary/InRelease"
    listed.write_text(listed.read_text().replace("Suite: canary", "Suite: forged"))
    refused = root.run("rm -rf /var/lib/apt/lists; apt-get update", network=True, check=False)
    assert "BADSIG" in refused.stdout or "not signed" in refused.stdout or "invalid" in refused.stdout


def _export(key: str, env: dict[str, str], to: Path) -> str:
    """Write the public key; its fingerprint."""
    subprocess.run(["gpg", "--output", str(to), "--export", key], check=True, env=env)
    listed = ["gpg", "--with-colons", "--fingerprint", key]
    said = subprocess.run(listed, check=True, env=env, capture_output=True, text=True).stdout
    return next(line.split(":")[9] for line in said.splitlines() if line.startswith("fpr:"))


def test_the_rig_kills(root: Root) -> None:
    """A script that hangs in the system ends with the test and leaves no process behind."""
    done = root.run("timeout -s KILL 0.5 sleep 60", check=False)
    assert done.returncode in (-signal.SIGKILL, 137)
