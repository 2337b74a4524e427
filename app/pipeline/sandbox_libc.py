"""The few kernel calls the sandbox needs and Python has no function for, through the C library."""

import ctypes
import mmap
import os
import sys

LINUX = sys.platform == "linux"

PR_SET_PDEATHSIG = 1
PR_SET_DUMPABLE = 4
PR_SET_SECCOMP = 22
PR_SET_CHILD_SUBREAPER = 36
PR_SET_NO_NEW_PRIVS = 38

_CAPABILITY_VERSION_3 = 0x20080522

_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long


def prctl(option: int, argument: int = 0, pointer: "ctypes._CArgObject | None" = None) -> None:
    """prctl(2); raises OSError."""
    third = pointer if pointer is not None else ctypes.c_ulong(0)
    zero = ctypes.c_ulong(0)
    if _libc.prctl(option, ctypes.c_ulong(argument), third, zero, zero) != 0:
        raise _failed("prctl")


def syscall(number: int, *arguments: "int | ctypes._CArgObject | None") -> int:
    """syscall(2) with every integer as a full register; raises OSError."""
    wide = [ctypes.c_long(each) if isinstance(each, int) else each for each in arguments]
    result = int(_libc.syscall(ctypes.c_long(number), *wide))
    if result < 0:
        raise _failed("syscall")
    return result


def make_undumpable() -> None:
    """Take `/proc/<this process>` (memory, environment) away from other processes of the same user.

    Lasts until the next exec; a fork inherits it. Does nothing where there is no Linux.
    """
    if LINUX:
        prctl(PR_SET_DUMPABLE, 0)


def drop_capabilities(capset: int) -> None:
    """Give up every capability (`capset` is the syscall's number): root is then a plain owner of files."""
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    nothing = (ctypes.c_uint32 * 6)()
    syscall(capset, ctypes.byref(header), ctypes.byref(nothing))


def _failed(what: str) -> OSError:
    number = ctypes.get_errno()
    return OSError(number, f"{what}: {os.strerror(number)}")


def map_private_page(wanted: int, size: int) -> int:
    """Fresh memory, at `wanted` if nothing is there already; its address."""
    _libc.mmap.restype = ctypes.c_void_p
    _libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_long]
    protection, flags = mmap.PROT_READ | mmap.PROT_WRITE, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
    address = _libc.mmap(wanted, size, protection, flags, -1, 0)
    if address is None or address == ctypes.c_void_p(-1).value:
        raise _failed("mmap")
    return int(address)


def execve(name_address: int, arguments: list[bytes]) -> None:
    """execve(2) with the program's name at an address and an empty environment; returns only on failure."""
    vector = (ctypes.c_char_p * (len(arguments) + 1))(*arguments, None)
    nothing = (ctypes.c_char_p * 1)(None)
    _libc.execve(ctypes.c_void_p(name_address), vector, nothing)
