"""Read templates and configuration anew, while tickets print: what can change without losing anything changes at once,
and for everything else the agent is to be started anew.
"""

from collections.abc import Callable

import msgspec

from agent.config import Config
from agent.model.command import Ask

AT_ONCE = ("language", "limits", "printing", "report", "commands")
"""Settings that are looked at whenever they are needed; the others make rooms and threads."""


class Reload:
    """`reread` loads the file, `apply` takes over what may change, `templates` reads the shop's own and returns their
    names, `problems` says what is wrong with them.
    """

    def __init__(
        self,
        running: Config,
        reread: Callable[[], Config],
        apply: Callable[[Config], None],
        templates: Callable[[], list[str]],
        problems: Callable[[], dict[str, str]],
    ) -> None:
        self._running = running
        self._reread = reread
        self._apply = apply
        self._templates = templates
        self._problems = problems

    def __call__(self, _: Ask) -> str:
        """What changed, in words.

        Raises:
            ConfigError: the file is not right; the configuration stays as it is, and the templates were read.
        """
        said = [f"templates: {', '.join(self._templates()) or 'none of the shop'}"]
        said += [f"{name}: {problem}" for name, problem in sorted(self._problems().items())]
        found = self._reread()
        differ = [name for name in Config.__struct_fields__ if getattr(found, name) != getattr(self._running, name)]
        now = [name for name in differ if name in AT_ONCE]
        later = [name for name in differ if name not in AT_ONCE]
        if now:
            self._running = msgspec.structs.replace(self._running, **{name: getattr(found, name) for name in now})
            self._apply(self._running)
            said.append(f"in use now: {', '.join(now)}")
        if later:
            said.append(f"restart needed for: {', '.join(later)}")
        return "; ".join(said if differ else [*said, "the configuration is as it was"])
