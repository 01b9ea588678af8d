"""The packages that are tried: built once for all tests."""

import os
from pathlib import Path

import pytest

from tests.package import NEW, OLD, PROJECT, build, copy_project


@pytest.fixture(scope="session")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project as it is now: what somebody writes into it meanwhile changes no package of this run."""
    return copy_project(PROJECT, tmp_path_factory.mktemp("sources") / "project")


@pytest.fixture(scope="session")
def debs(tmp_path_factory: pytest.TempPathFactory, sources: Path) -> Path:
    """This package for both architectures, and an older one; or those that are in $SHOP_AGENT_DEBS already."""
    if kept := os.environ.get("SHOP_AGENT_DEBS"):
        return Path(kept)
    out = tmp_path_factory.mktemp("debs")
    for arguments in (["--version", NEW], ["--version", OLD, "amd64"]):
        build(sources, out, *arguments)
    return out
