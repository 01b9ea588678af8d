"""Read templates and configuration anew, while tickets print: what can change without losing anything changes at once,
and for everything else the agent is to be started anew.
"""

import re
from collections.abc import Callable, Iterable
from pathlib import Path

import msgspec

from agent.broker.topics import topics
from agent.config import Config
from agent.intake.keyfile import load_keyring
from agent.model.command import Ask

AT_ONCE = ("language", "limits", "printing", "report", "commands", "updates")
"""Settings that are looked at whenever they are needed; the others make rooms and threads."""


def needs_start(differ: Iterable[str]) -> bool:
    """Are there others among these settings than those that are in use at once? Each as `printers[bar].width`."""
    return any(re.split(r"[.\[]", name, maxsplit=1)[0] not in AT_ONCE for name in differ)


def try_start(config: Config) -> None:
    """Read what a start reads besides the configuration. Raises ConfigError where it can't be read."""
    if config.mappings:
        from agent.intake.mappingfile import load_all  # a shop without them does not pay for them

        load_all(config)
    load_keyring(config, topics(config.prefix, config.shop, config.agent))


class Reload:
    """`reread` loads the file, `apply` takes over what may change, `templates` reads the shop's own and returns their
    names, `problems` says what is wrong with them. `beside` is the folder of templates where the file names none.
    """

    def __init__(
        self,
        running: Config,
        reread: Callable[[], Config],
        apply: Callable[[Config], None],
        templates: Callable[[], list[str]],
        problems: Callable[[], dict[str, str]],
        beside: Path | None = None,
    ) -> None:
        self._running = running
        self._reread = reread
        self._apply = apply
        self._templates = templates
        self._problems = problems
        self._beside = beside

    def __call__(self, _: Ask) -> str:
        """What changed, in words.

        Raises:
            ConfigError: the file is not right; the configuration stays as it is, and the templates were read.
        """
        said = [f"templates: {', '.join(self._templates()) or 'none of the shop'}"]
        said += [f"{name}: {problem}" for name, problem in sorted(self._problems().items())]
        found = self._reread()
        differ = self._differences(found)
        now = [name for name in differ if name in AT_ONCE]
        later = [name for name in differ if name not in AT_ONCE]
        if now:
            self._running = msgspec.structs.replace(self._running, **{name: getattr(found, name) for name in now})
            self._apply(self._running)
            said.append(f"in use now: {', '.join(now)}")
        if later:
            said.append(f"restart needed for: {', '.join(later)}")
        return "; ".join(said if differ else [*said, "the configuration is as it was"])

    def _differences(self, found: Config) -> list[str]:
        """The settings that differ. The folder beside the file is looked at before anybody makes it."""
        was, now = (
            {**msgspec.structs.asdict(c), "templates": c.templates or self._beside} for c in (self._running, found)
        )
        return [name for name in Config.__struct_fields__ if now[name] != was[name]]
