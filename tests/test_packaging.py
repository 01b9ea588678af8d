"""What goes into the package, and the rules by which it is made: without building one."""

import re
import subprocess
import sys
from pathlib import Path

import click
import pytest

from agent.cli import cli
from scripts.deb import locked, manual, tree, wheels

PROJECT = Path(__file__).parents[1]
HASH = "    --hash=sha256:" + "a" * 64
PROJECT_TEXT = '[project]\ndependencies = ["Web_App>=1"]\n[project.optional-dependencies]\ndev = ["tester"]\n'


def lock(*entries: str) -> str:
    return "\n".join(entry.replace(" @", f" \\\n{HASH}\n    # via") for entry in entries) + "\n"


def test_only_what_the_agent_needs_goes_into_the_package() -> None:
    """Dependencies of dependencies come along; what is for developing, or for another system, does not."""
    text = lock("base==1 @ web-app", "tester==9 @ shop-agent", "web.app==2.1 @ shop-agent", "zip==4 @\n    #   tester")
    text += lock("deep==3 @\n    #   other\n    #   base", "win==1 ; sys_platform == 'win32' @ web-app")
    taken = locked.runtime(text, PROJECT_TEXT)
    assert [line.split()[0] for line in taken.splitlines()] == ["base==1", "deep==3", "web.app==2.1"]
    assert all("--hash=sha256:" in line for line in taken.splitlines())


@pytest.mark.parametrize(
    ("text", "says"), [(lock("tester==9 @ shop-agent"), "has no web-app"), ("web-app==2.1\n", "no hash for web-app")]
)
def test_a_lock_that_lacks_something_makes_no_package(text: str, says: str) -> None:
    """Nothing unpinned and nothing unchecked gets in."""
    with pytest.raises(ValueError, match=says):
        locked.runtime(text, PROJECT_TEXT)


def test_the_lock_of_this_project_has_all_that_the_agent_imports() -> None:
    """Each package that a module of the agent imports is in, and no tool of the developers."""
    taken = locked.runtime((PROJECT / "requirements.lock").read_text(), (PROJECT / "pyproject.toml").read_text())
    names = {line.partition("==")[0] for line in taken.splitlines()}
    imported = set[str]()
    for path in (PROJECT / "agent").rglob("*.py"):
        imported |= set(re.findall(r"^\s*(?:from|import) (\w+)", path.read_text(), re.M))
    of = {"PIL": "pillow", "yaml": "pyyaml", "serial": "pyserial", "usb": "pyusb", "paho": "paho-mqtt"}
    of |= {"barcode": "python-barcode"}
    foreign = {of.get(name, name) for name in imported - sys.stdlib_module_names - {"agent"}}
    assert {name for name in foreign if name in names} == foreign
    assert not names & {"pytest", "mypy", "ruff", "python-escpos", "hypothesis"}


def test_another_python_is_refused_in_words(tmp_path: Path) -> None:
    """A system whose Python the package was not made for is told so, before anything breaks in a riddle."""
    launcher = tmp_path / "shop-agent"
    launcher.write_text((PROJECT / "packaging/launcher").read_text().replace("@PYTHONS@", "((3, 9), (4, 0))"))
    done = subprocess.run([sys.executable, "-IS", str(launcher)], capture_output=True, text=True, timeout=60)
    here = f"{sys.version_info[0]}.{sys.version_info[1]}"
    assert done.returncode == 78
    assert "只支持 Python 3.9, 4.0" in done.stderr
    assert f"is Python {here}, and this package is made for Python 3.9, 4.0" in done.stderr


def test_every_command_and_option_is_in_the_manual() -> None:
    """The manual is made of the program's own help, and leaves nothing out."""
    page = manual.man_page("1.2.3", 0).replace("\\-", "-")
    context = click.Context(cli, info_name="shop-agent")
    for path, command in manual.commands(context, cli):
        assert f".SS {path.command_path}" in page
        for parameter in command.params:
            if isinstance(parameter, click.Option) and not parameter.hidden:
                assert all(name in page for name in parameter.opts)
    assert '"shop-agent 1.2.3"' in page
    assert not [line for line in page.splitlines() if re.match(r"['.](?!(TH|SH|SS|TP|PP|B|I|BR)\b)", line)]


@pytest.mark.parametrize("shell", manual.COMPLETIONS)
def test_each_shell_is_given_its_completion(shell: str) -> None:
    """It calls the program back for the words."""
    assert "_SHOP_AGENT_COMPLETE" in manual.completion(shell)


def test_the_changelog_is_one_that_debian_reads() -> None:
    """Newest first, under the version of this package; an entry for each version."""
    told = "# Changelog\n\n## 2.0.0 (unreleased)\n\n- New: `x` is\n  long.\n\n## 1.0.0\n\nFirst.\n"
    text = tree.changelog(told, "2.0.0~rc1", 0)
    assert re.findall(r"^shop-agent \((\S+)\) stable; urgency=medium$", text, re.M) == ["2.0.0~rc1", "1.0.0"]
    assert "  * New: x is long.\n" in text
    assert re.search(r"^ -- .+ <.+@.+>  Thu, 01 Jan 1970 00:00:00 \+0000$", text, re.M)


def test_the_package_names_the_pythons_that_it_carries() -> None:
    """No Python that the control file lets in is older or newer than those with parts in the package."""
    control = (PROJECT / "packaging/control").read_text()
    first, last = min(wheels.PYTHONS), max(wheels.PYTHONS)
    assert f"python3 (>= {first[0]}.{first[1]}), python3 (<< {last[0]}.{last[1] + 1}~)" in control


INSTALL = PROJECT / "scripts/install"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "sudo sh install"),
        (["--suite", "weekly", "x.deb"], "sudo sh install"),
        (["--name", "Küche", "x.deb"], "use only a-z, 0-9 and -"),
        (["file:/media/USB STICK"], "地址里不能有空格"),
        (["https://packages.example/shop agent"], "no blank may be in an address"),
    ],
)
def test_the_installer_tells_what_it_wants(arguments: list[str], says: str) -> None:
    """A wrong call changes nothing and says how it is called."""
    done = subprocess.run(["sh", str(INSTALL), *arguments], capture_output=True, text=True, timeout=60)
    assert done.returncode != 0
    assert says in done.stderr
