"""Landlock: which files a process may still open, and no TCP at all, where the kernel has it.

A rule set is made once, in the fork-server; a child only restricts itself with it. Everything that
this kernel's Landlock can refuse is refused; the rules give reading (and executing) back, by folder.
"""

import ctypes
import os
import stat
from collections.abc import Iterable

from app.pipeline import sandbox_libc as libc

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_VERSION_FLAG = 1
_PATH_BENEATH = 1

EXECUTE = 1 << 0
READ_FILE = 1 << 2
READ_DIR = 1 << 3

# How many kinds of file access, of TCP access and of scope each version of the interface can refuse.
_FILE_BITS = {1: 13, 2: 14, 3: 15, 4: 15, 5: 16}
_NEWEST_FILE_BITS = 16
_NETWORK_SINCE, _NETWORK_BITS = 4, 0b11
_SCOPE_SINCE, _SCOPE_BITS = 6, 0b11


class _PathBeneath(ctypes.Structure):
    _pack_ = 1
    _layout_ = "ms"
    _fields_ = [("access", ctypes.c_uint64), ("folder", ctypes.c_int32)]


def version() -> int:
    """The interface's version, 0 where there is no Landlock."""
    if not libc.LINUX:
        return 0
    try:
        return libc.syscall(_CREATE_RULESET, None, 0, _VERSION_FLAG)
    except OSError:
        return 0


def create(readable: Iterable[str], executable: Iterable[str] = ()) -> int:
    """A rule set that lets these files and folders be read (or read and executed); its file descriptor."""
    found = version()
    attributes = (ctypes.c_uint64 * 3)(
        (1 << _FILE_BITS.get(found, _NEWEST_FILE_BITS)) - 1,
        _NETWORK_BITS if found >= _NETWORK_SINCE else 0,
        _SCOPE_BITS if found >= _SCOPE_SINCE else 0,
    )
    size = 24 if found >= _SCOPE_SINCE else 16 if found >= _NETWORK_SINCE else 8
    ruleset = libc.syscall(_CREATE_RULESET, ctypes.byref(attributes), size, 0)
    for path in readable:
        _allow(ruleset, path, READ_FILE | READ_DIR)
    for path in executable:
        _allow(ruleset, path, READ_FILE | READ_DIR | EXECUTE)
    return ruleset


def _allow(ruleset: int, path: str, access: int) -> None:
    try:
        opened = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return  # not on this machine: nothing to allow
    try:
        if not stat.S_ISDIR(os.fstat(opened).st_mode):
            access &= ~READ_DIR  # the kernel refuses a folder's rights on a file
        libc.syscall(_ADD_RULE, ruleset, _PATH_BENEATH, ctypes.byref(_PathBeneath(access, opened)), 0)
    finally:
        os.close(opened)


def restrict(ruleset: int) -> None:
    """Put this process under the rule set, for good; PR_SET_NO_NEW_PRIVS must be set."""
    libc.syscall(_RESTRICT_SELF, ruleset, 0)
