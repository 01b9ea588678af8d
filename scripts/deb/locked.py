"""Which of the locked packages the agent needs to run; the others are for developing it."""

import re
import tomllib

from packaging.markers import Marker

_NAME = re.compile(r"[A-Za-z0-9._-]+")
_HEAD = re.compile(r"(?P<name>[A-Za-z0-9._-]+)==(?P<version>[^\s;\\]+)(?: ; (?P<marker>[^\\\n]+?))? *(?:\\|$)", re.M)
_VIA = re.compile(r"^    # +(?:via +)?(?!via$)(?P<name>[A-Za-z0-9._-]+)", re.M)
_LINUX = {"sys_platform": "linux", "platform_python_implementation": "CPython", "implementation_name": "cpython"}


def runtime(lock: str, project: str) -> str:
    """The part of a lock file (requirements.txt with hashes and `# via` lines) that pyproject's dependencies need, by
    themselves or through others, on Linux.

    Raises:
        ValueError: a dependency is not locked.
    """
    entries = {canonical(head["name"]): (head, text) for head, text in _entries(lock)}
    needed = {canonical(_name(each)) for each in tomllib.loads(project)["project"]["dependencies"]}
    if missing := needed - set(entries):
        raise ValueError(f"requirements.lock has no {', '.join(sorted(missing))}: make it anew")
    while more := {name for name, (head, text) in entries.items() if _wanted(head, text, needed)} - needed:
        needed |= more
    return "\n".join(_without_marker(*entries[name]) for name in sorted(needed))


def canonical(name: str) -> str:
    """A package's name as the index compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _entries(lock: str) -> list[tuple[re.Match[str], str]]:
    texts = re.split(r"\n(?=[A-Za-z0-9])", lock)
    return [(head, text) for text in texts if (head := _HEAD.match(text))]


def _wanted(head: re.Match[str], text: str, needed: set[str]) -> bool:
    if head["marker"] and not Marker(head["marker"]).evaluate(_LINUX):
        return False
    return any(canonical(via["name"]) in needed for via in _VIA.finditer(text))


def _without_marker(head: re.Match[str], text: str) -> str:
    """It was looked at for the box, and pip would look again, for this machine."""
    hashes = re.findall(r"--hash=sha256:[0-9a-f]{64}", text)
    if not hashes:
        raise ValueError(f"requirements.lock has no hash for {head['name']}: make it anew")
    return " ".join([f"{head['name']}=={head['version']}", *hashes])


def _name(requirement: str) -> str:
    found = _NAME.match(requirement)
    assert found is not None
    return found[0]
