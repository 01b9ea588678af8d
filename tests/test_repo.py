"""The signed repository that boxes are updated from: scripts/make-repo, on packages with nothing in them."""

import hashlib
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from scripts.deb import repo

MISSING = [name for name in ("gpg", "gpgconf", "dpkg-deb") if shutil.which(name) is None]
pytestmark = [
    pytest.mark.usefixtures("signer"),
    pytest.mark.skipif(bool(MISSING), reason=f"apt install gnupg dpkg: no {', '.join(MISSING)}"),
]
KEY = "shop packages"


@pytest.fixture
def signer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A gpg with one secret key, in a folder of its own."""
    home = tmp_path / "gpg"
    home.mkdir(mode=0o700)
    monkeypatch.setenv("GNUPGHOME", str(home))
    made = ["gpg", "--batch", "--quiet", "--passphrase", "", "--quick-gen-key", KEY, "ed25519", "sign", "never"]
    subprocess.run(made, check=True, capture_output=True)
    yield home
    subprocess.run(["gpgconf", "--kill", "gpg-agent"], check=True)


def deb(folder: Path, version: str, arch: str = "amd64", words: str = "empty") -> Path:
    """A package of that version."""
    root = folder / f"root-{version}-{arch}-{words}"
    (root / "DEBIAN").mkdir(parents=True)
    control = (
        f"Package: shop-agent\nVersion: {version}\nArchitecture: {arch}\nMaintainer: a <a@b>\nDescription: {words}\n"
    )
    (root / "DEBIAN/control").write_text(control)
    out = folder / words / f"shop-agent_{version}_{arch}.deb"
    out.parent.mkdir(exist_ok=True)
    subprocess.run(["dpkg-deb", "--root-owner-group", "-b", str(root), str(out)], check=True, capture_output=True)
    return out


def versions(folder: Path, suite: str, arch: str) -> list[str]:
    """What a box of that suite is offered, each package's own hash looked at."""
    text = (folder / f"dists/{suite}/main/binary-{arch}/Packages").read_text()
    for name, size, sha256 in re.findall(r"Filename: (.*)\nSize: (.*)\nSHA256: (.*)", text):
        data = (folder / name).read_bytes()
        assert (str(len(data)), hashlib.sha256(data).hexdigest()) == (size, sha256)
    return re.findall(r"^Version: (.*)$", text, re.M)


def test_a_version_is_tried_by_canary_before_all_have_it(tmp_path: Path) -> None:
    """What is added is canary's; what is promoted is stable's as well, for each architecture."""
    folder = tmp_path / "repo"
    repo.add(folder, KEY, [deb(tmp_path, "1.0"), deb(tmp_path, "1.0", "arm64")])
    repo.promote(folder, KEY, "1.0")
    repo.add(folder, KEY, [deb(tmp_path, "1.1")])
    assert versions(folder, "canary", "amd64") == ["1.0", "1.1"]
    assert versions(folder, "stable", "amd64") == versions(folder, "stable", "arm64") == ["1.0"]
    with pytest.raises(ValueError, match=r"canary has no such version"):
        repo.promote(folder, KEY, "2.0")


def test_what_is_published_is_signed_and_whole(tmp_path: Path) -> None:
    """Its signature is by the key that it hands out, and each list has the hash that is signed."""
    folder = tmp_path / "repo"
    repo.add(folder, KEY, [deb(tmp_path, "1.0")])
    boxes_own = tmp_path / "box"
    boxes_own.mkdir(mode=0o700)
    env = {**os.environ, "GNUPGHOME": str(boxes_own)}
    keyring = ["gpg", "--batch", "--no-default-keyring", "--keyring", str(folder / repo.KEY_FILE)]
    for suite in repo.SUITES:
        base = folder / "dists" / suite
        for signed in ([str(base / "InRelease")], [str(base / "Release.gpg"), str(base / "Release")]):
            subprocess.run([*keyring, "--verify", *signed], check=True, env=env, capture_output=True)
        listed = re.findall(r"^ ([0-9a-f]{64}) (\d+) (\S+)$", (base / "Release").read_text(), re.M)
        assert len(listed) == 4
        for sha256, size, name in listed:
            data = (base / name).read_bytes()
            assert (hashlib.sha256(data).hexdigest(), len(data)) == (sha256, int(size))
            assert (base / name).parent.joinpath("by-hash/SHA256", sha256).read_bytes() == data


def test_a_version_never_changes(tmp_path: Path) -> None:
    """The same bytes may be added again; others under the same version are refused, and nothing has changed."""
    folder = tmp_path / "repo"
    first = deb(tmp_path, "1.0")
    repo.add(folder, KEY, [first])
    repo.add(folder, KEY, [first])
    with pytest.raises(ValueError, match="give a new build a new version"):
        repo.add(folder, KEY, [deb(tmp_path, "1.0", words="other")])
    assert (folder / "pool/canary/shop-agent_1.0_amd64.deb").read_bytes() == first.read_bytes()


def test_a_key_that_is_not_there_publishes_nothing(tmp_path: Path) -> None:
    """Its name is told, and no list is written."""
    with pytest.raises(ValueError, match="gpg has no such key"):
        repo.add(tmp_path / "repo", "nobody", [deb(tmp_path, "1.0")])
    assert not (tmp_path / "repo/dists").exists()
