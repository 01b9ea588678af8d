"""Who the agent runs as, and what that user may read and write: for whoever looks after it as somebody else."""

import os
import pwd
from contextlib import suppress
from pathlib import Path

import msgspec

SERVICE_USER = "shop-agent"
_R, _W = os.R_OK, os.W_OK


class User(msgspec.Struct, frozen=True):
    """Who the agent runs as."""

    name: str
    uid: int
    groups: frozenset[int]


def service_user(data_dir: Path | None) -> User:
    """Whose the data directory is; else the service's user, where there is one; else who asks."""
    entry = pwd.getpwuid(os.getuid()) if os.getuid() in {each.pw_uid for each in pwd.getpwall()} else None
    with suppress(KeyError):
        entry = pwd.getpwnam(SERVICE_USER)
    with suppress(OSError, KeyError):
        if data_dir is not None:
            entry = pwd.getpwuid(data_dir.stat().st_uid)
    if entry is None:
        return User(str(os.getuid()), os.getuid(), frozenset(os.getgroups()))
    return User(entry.pw_name, entry.pw_uid, frozenset(os.getgrouplist(entry.pw_name, entry.pw_gid)))


def may(user: User, path: Path, *, write: bool = False) -> bool:
    """May this user read it, and write it? By owner, group and mode; what else a system allows is not seen.

    Raises:
        OSError: it is not there, or nobody can tell.
    """
    about = path.stat()
    wanted = _R | _W if write else _R
    if user.uid == 0:
        return True
    if user.uid == about.st_uid:
        has = about.st_mode >> 6
    elif about.st_gid in user.groups:
        has = about.st_mode >> 3
    else:
        has = about.st_mode
    return has & wanted == wanted
