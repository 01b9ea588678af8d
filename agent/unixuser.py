"""Who the agent runs as, and what that user may read and write: for whoever looks after it as somebody else."""

import os
import pwd
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec

SERVICE_USER = "shop-agent"
_R, _W = os.R_OK, os.W_OK


class User(msgspec.Struct, frozen=True):
    """Who the agent runs as."""

    name: str
    uid: int
    groups: frozenset[int]
    gid: int


def service_user(data_dir: Path | None) -> User:
    """Whose the data directory is; else the service's user, where there is one; else who asks."""
    entry = pwd.getpwuid(os.getuid()) if os.getuid() in {each.pw_uid for each in pwd.getpwall()} else None
    with suppress(KeyError):
        entry = pwd.getpwnam(SERVICE_USER)
    with suppress(OSError, KeyError):
        if data_dir is not None:
            entry = pwd.getpwuid(data_dir.stat().st_uid)
    if entry is None:
        return User(str(os.getuid()), os.getuid(), frozenset(os.getgroups()), os.getgid())
    return _known(entry)


def owner_of(folder: Path) -> User:
    """Whose it is, also where nobody knows his name. Raises OSError."""
    about = folder.stat()
    try:
        return _known(pwd.getpwuid(about.st_uid))
    except KeyError:  # in a container
        return User(str(about.st_uid), about.st_uid, frozenset({about.st_gid}), about.st_gid)


@contextmanager
def acting_as(user: User) -> Iterator[None]:
    """Root has no more rights than this user meanwhile: links that he has put into his folders lead root nowhere that
    he may not go himself. For all threads. Others stay who they are.

    Raises:
        OSError: root may not become him.
    """
    if os.geteuid() != 0 or user.uid == 0:
        yield
        return
    groups, gid = os.getgroups(), os.getegid()
    try:
        os.setgroups(sorted(user.groups))
        os.setegid(user.gid)
        os.seteuid(user.uid)
        yield
    finally:
        os.seteuid(0)
        os.setegid(gid)
        os.setgroups(groups)


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


def _known(entry: pwd.struct_passwd) -> User:
    groups = frozenset(os.getgrouplist(entry.pw_name, entry.pw_gid))
    return User(entry.pw_name, entry.pw_uid, groups, entry.pw_gid)
