"""apt, dpkg and the installed command of a box in a folder, for tests of the updater: each step of an installation is
durable by itself, as dpkg's are, and may be the one at which the power goes. Run as a program under each one's name.
"""

import io
import json
import os
import shutil
import signal
import sys
import tarfile
from pathlib import Path

PROGRAMS = ("apt-get", "apt-cache", "dpkg", "dpkg-deb", "dpkg-query", "shop-agent")
MOMENTS = ("apt.fetch", "dpkg.stop", "dpkg.files", "dpkg.pointer", "dpkg.remove", "dpkg.configure")
BOX = Path(os.environ.get("FAKE_BOX", "."))
HOME, STATUS, INFO = BOX / "usr/lib/shop-agent", BOX / "status", BOX / "info"
PARTS = ("agent", "doctor", "vendor")


def lay_out(home: Path, version: str, *, broken: bool = False) -> None:
    """The files of a version; one that is broken has a doctor that says no."""
    folder = home / version
    folder.mkdir(parents=True)
    for part in PARTS:
        (folder / part).write_text(f"{part} {version}")
    if broken:
        (folder / "doctor").write_text("no")


def install_first(version: str) -> None:
    """A box as it comes from `scripts/install`."""
    lay_out(HOME, version)
    (HOME / "version").write_text(version)
    INFO.mkdir()
    (BOX / "etc").write_text("as somebody here wants it")
    (INFO / "shop-agent.postinst").write_text("#!/bin/sh\n")
    STATUS.write_text(f"ii {version}")


def power(moment: str) -> None:
    """The power goes at the moment that $FAKE_CUT names, when it comes for the n-th time."""
    name, _, count = os.environ.get("FAKE_CUT", "").partition(":")
    if name != moment:
        return
    passed = BOX / f"passed-{moment}"
    with passed.open("a") as file:
        file.write("x")
    if passed.stat().st_size == int(count or 1):
        os.killpg(0, signal.SIGKILL)


def unpack(version: str, files: dict[str, bytes]) -> None:
    """What dpkg does to a box, in its order; from the first line on it says that the package is not whole."""
    STATUS.write_text(f"iF {STATUS.read_text().split()[1]}")
    power("dpkg.stop")
    for number, (name, data) in enumerate(files.items()):
        (HOME / version).mkdir(exist_ok=True)
        (HOME / version / name).write_bytes(data)
        if number == 1:
            power("dpkg.files")
    growing = HOME / "version.dpkg-new"
    growing.write_text(version)
    growing.replace(HOME / "version")
    power("dpkg.pointer")
    for other in HOME.iterdir():
        if other.is_dir() and other.name != version:
            (other / PARTS[0]).unlink(missing_ok=True)
            power("dpkg.remove")
            shutil.rmtree(other)
    STATUS.write_text(f"iU {version}")
    power("dpkg.configure")
    STATUS.write_text(f"ii {version}")


def of_deb(path: Path) -> tuple[str, dict[str, bytes]]:
    """The version and the files of a package; raises whatever goes wrong where it is not a whole one."""
    data, members = path.read_bytes(), {}
    assert data.startswith(b"!<arch>\n")
    at = 8
    while at < len(data):
        name, size = data[at : at + 16].decode().strip(), int(data[at + 48 : at + 58])
        members[name] = data[at + 60 : at + 60 + size]
        at += 60 + size + size % 2
    with tarfile.open(fileobj=io.BytesIO(members["control.tar.gz"])) as control:
        taken = control.extractfile("./control")
        assert taken is not None
        text = taken.read().decode()
        fields = dict(line.split(": ", 1) for line in text.splitlines() if ": " in line)
        assert text.endswith("Description: tickets\n of a shop\n .\n on paper\n")
        assert str(BOX) not in text
        assert "./postinst" in control.getnames()
        assert "Status" not in fields
    files = {}
    with tarfile.open(fileobj=io.BytesIO(members["data.tar.gz"])) as content:
        for entry in content:
            assert not entry.name.endswith("/etc")
            if f"/{fields['Version']}/" in entry.name and (held := content.extractfile(entry)) is not None:
                files[Path(entry.name).name] = held.read()
    assert set(files) == set(PARTS)
    return fields["Version"], files


def apt_get(arguments: list[str]) -> int:
    version = arguments[-1].partition("=")[2]
    offered = BOX / "offered"
    if "--download-only" in arguments:
        (BOX / "fetched").write_text(version)
        power("apt.fetch")
        return 0
    assert (BOX / "fetched").read_text() == version
    unpack(version, {part: (offered / version / part).read_bytes() for part in PARTS})
    return 0


def dpkg(arguments: list[str]) -> int:
    if "--no-act" in arguments:
        of_deb(Path(arguments[-1]))
    elif "--install" in arguments:
        unpack(*of_deb(Path(arguments[-1])))
    return 0


def dpkg_deb(arguments: list[str]) -> int:
    of_deb(Path(arguments[-1]))
    return 0


def dpkg_query(arguments: list[str]) -> int:
    status, version = STATUS.read_text().split()
    if "--show" in arguments:
        print(f"{status} {version}")
    elif "--status" in arguments:
        print("Package: shop-agent\nStatus: install ok installed\nRecommends: a, b | c\nConffiles:")
        print(f" {BOX / 'etc'} {32 * 'a'}")
        print(f"Version: {version}\nDescription: tickets\n of a shop\n .\n on paper")
    elif "--control-path" in arguments:
        print(INFO / "shop-agent.postinst")
    elif "--listfiles" in arguments:
        print("/.", BOX / "etc", HOME, HOME / version, *sorted((HOME / version).iterdir()), HOME / "version", sep="\n")
    return 0


def shop_agent(arguments: list[str]) -> int:
    assert arguments[:2] == ["doctor", "--post-update"]
    wanted = json.loads(Path(arguments[2]).read_text())["version"]
    running = (HOME / "version").read_text()
    assert running == wanted
    if (HOME / running / "doctor").read_text() != "no":
        return 0
    sys.stdout.write("✗ no agent answers\n")
    sys.stderr.write("shop-agent.yaml:1:1: root:$y$secret: there is no such setting\n")
    return 1


if __name__ == "__main__":
    does = {"apt-get": apt_get, "dpkg": dpkg, "dpkg-deb": dpkg_deb, "dpkg-query": dpkg_query, "shop-agent": shop_agent}
    sys.exit(does[Path(sys.argv[0]).name](sys.argv[1:]))
