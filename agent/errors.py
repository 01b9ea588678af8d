"""Every error that crosses a room's door. What a caller does about one is said by its class."""

from pathlib import Path


class AgentError(Exception):
    """The root: anything we raise on purpose. In English, and as `zh` in Chinese where it is said there."""

    def __init__(self, said: str = "", zh: str = "") -> None:
        super().__init__(said)
        self.zh = zh


class ConfigError(AgentError):
    """The configuration is wrong: tell the installer where and what to write instead; exit 78."""


class DataDirLocked(AgentError):
    """Another agent works in this data directory; the message says which process."""


class AgentNotRunning(AgentError):
    """Nobody answers a command on this machine; the message says what to do. Exit 69."""


class DecodeError(AgentError):
    """An event that can't be read: park it with its bytes, acknowledge, report.

    `path` is where in the JSON the fault is, such as `$.data.order.items[0].qty`.
    """

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"{reason} - at {path}")
        self.path = path
        self.reason = reason


class JournalError(AgentError):
    """The journal can't keep what it is given: stop taking messages, the broker keeps them."""


class JournalNewer(JournalError):
    """A newer program left the journal in a shape that this one can't go on with: nothing is touched; exit 78."""

    def __init__(self, path: Path, schema: int, known: int) -> None:
        super().__init__(
            f"{path} was written by a newer shop-agent (schema {schema}, this one knows {known}); install the newer "
            "version again: sudo apt install shop-agent",
            f"账本 {path} 是新版本写的（格式 {schema}，本版本只懂 {known}）：请装回新版本 sudo apt install shop-agent",
        )


class JournalFull(JournalError):
    """No room on the disk: acknowledge nothing, say so, try again; it recovers by itself."""


class JournalBroken(JournalError):
    """An I/O error or a corrupt file: this handle must not be used again; exit and reopen."""


class IllegalTransition(JournalError):
    """A job was not in the state that its caller believed: a bug, or two owners of one printer."""


class CommandRefused(AgentError):
    """A person's command can't be carried out; the message says why, and what to do instead."""


class TooLong(AgentError):
    """A ticket that no printer is sent, and no picture is made of: the message says how long one may be."""


class PrinterError(AgentError):
    """The root of what a link or a session raises."""


class Unavailable(PrinterError):
    """Nothing of the ticket was sent: retry with backoff, freely."""


class Stranger(Unavailable):
    """Another device is in the printer's place: nothing is printed on it until a person accepts it."""


class LinkBroken(PrinterError):
    """The link failed in use: what was sent may or may not be on paper."""
