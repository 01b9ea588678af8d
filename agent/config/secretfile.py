"""What must not stand in the configuration: it is in a file of its own, or systemd hands it over as a credential."""

import os
from pathlib import Path

from agent.errors import ConfigError


def read_secret(path: Path, what: str = "it") -> str:
    """The file's text, as it is now. Raises ConfigError, which calls it `what`."""
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as exc:
        why = exc.strerror if isinstance(exc, OSError) else "not UTF-8 text"
        raise ConfigError(f"{path}: {what} can't be read ({why}); check its path and owner") from exc


def credential(name: str) -> Path | None:
    """The file of systemd's credential of that name (systemd.exec(5)); None where none was given."""
    folder = os.environ.get("CREDENTIALS_DIRECTORY")
    path = Path(folder, name) if folder else None
    return path if path is not None and path.exists() else None
