"""Seccomp: which system calls a process may still make, as a BPF program built by hand.

An allow-list: what is not named fails with EPERM (newer than this file: ENOSYS, so that the C
library falls back), another architecture's calls kill the process. Numbers are from the kernel's
headers for x86_64 and aarch64; elsewhere there is no filter and the sandbox's report says so.
"""

import ctypes
import platform
import struct
from collections.abc import Iterable
from dataclasses import dataclass

from app.pipeline import sandbox_libc as libc

_AUDIT_ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_NUMBERS: dict[str, tuple[int | None, int | None]] = {
    # name: (x86_64, aarch64); None where the architecture never had it
    "access": (21, None),
    "arch_prctl": (158, None),
    "brk": (12, 214),
    "capset": (126, 91),
    "clock_getres": (229, 114),
    "clock_gettime": (228, 113),
    "clock_nanosleep": (230, 115),
    "clone": (56, 220),
    "close": (3, 57),
    "dup": (32, 23),
    "dup2": (33, None),
    "dup3": (292, 24),
    "execve": (59, 221),
    "exit": (60, 93),
    "exit_group": (231, 94),
    "faccessat": (269, 48),
    "faccessat2": (439, 439),
    "fadvise64": (221, 223),
    "fcntl": (72, 25),
    "fstat": (5, 80),
    "fstatfs": (138, 44),
    "futex": (202, 98),
    "getcwd": (79, 17),
    "getdents64": (217, 61),
    "getegid": (108, 177),
    "geteuid": (107, 175),
    "getgid": (104, 176),
    "getpid": (39, 172),
    "getrandom": (318, 278),
    "gettid": (186, 178),
    "gettimeofday": (96, 169),
    "getuid": (102, 174),
    "lseek": (8, 62),
    "lstat": (6, None),
    "madvise": (28, 233),
    "mmap": (9, 222),
    "mprotect": (10, 226),
    "mremap": (25, 216),
    "munmap": (11, 215),
    "nanosleep": (35, 101),
    "newfstatat": (262, 79),
    "open": (2, None),
    "openat": (257, 56),
    "pipe2": (293, 59),
    "poll": (7, None),
    "ppoll": (271, 73),
    "prctl": (157, 167),
    "pread64": (17, 67),
    "read": (0, 63),
    "readlink": (89, None),
    "readlinkat": (267, 78),
    "readv": (19, 65),
    "restart_syscall": (219, 128),
    "rseq": (334, 293),
    "rt_sigaction": (13, 134),
    "rt_sigprocmask": (14, 135),
    "rt_sigreturn": (15, 139),
    "sched_getaffinity": (204, 123),
    "sched_yield": (24, 124),
    "set_robust_list": (273, 99),
    "set_tid_address": (218, 96),
    "sigaltstack": (131, 132),
    "stat": (4, None),
    "statfs": (137, 43),
    "statx": (332, 291),
    "sysinfo": (99, 179),
    "time": (201, None),
    "uname": (63, 160),
    "wait4": (61, 260),
    "write": (1, 64),
    "writev": (20, 66),
}
_NEWEST_KNOWN = 462
_X32_BIT = 0x40000000

_ALLOW = 0x7FFF0000
_ERRNO = 0x00050000
_KILL_PROCESS = 0x80000000
_EPERM, _ENOSYS = 1, 38

_LOAD, _JUMP_EQUAL, _JUMP_GREATER, _JUMP_SET, _RETURN = 0x20, 0x15, 0x25, 0x45, 0x06
_MODE_FILTER = 2
_AT_NUMBER, _AT_ARCH, _AT_ARGUMENTS = 0, 4, 16


@dataclass(frozen=True)
class Equals:
    """Allow `call` when its argument is exactly `value` (all 64 bits)."""

    call: str
    argument: int
    value: int


@dataclass(frozen=True)
class Without:
    """Allow `call` when none of the `bits` (of the lower 32) is set in its argument."""

    call: str
    argument: int
    bits: int


Rule = Equals | Without


def supported() -> bool:
    """Does this kernel take filters, and are this machine's numbers known here?"""
    if not libc.LINUX or platform.machine() not in _AUDIT_ARCH:
        return False
    try:
        libc.prctl(libc.PR_SET_SECCOMP, _MODE_FILTER)  # no program: EFAULT where filters are known
    except OSError as error:
        return error.errno == 14
    return False


def number(call: str, machine: str = platform.machine()) -> int | None:
    """The system call's number on a machine, None where it has none."""
    x86_64, aarch64 = _NUMBERS[call]
    return {"x86_64": x86_64, "aarch64": aarch64}.get(machine)


def _instruction(code: int, value: int, when_true: int = 0, when_false: int = 0) -> bytes:
    return struct.pack("=HBBI", code, when_true, when_false, value)


def _rule(rule: Rule) -> bytes:
    """The check of one argument (little-endian halves), ending in a return either way."""
    low = _AT_ARGUMENTS + 8 * rule.argument
    allow, refuse = _instruction(_RETURN, _ALLOW), _instruction(_RETURN, _ERRNO | _EPERM)
    if isinstance(rule, Without):
        return _instruction(_LOAD, low) + _instruction(_JUMP_SET, rule.bits, 1, 0) + allow + refuse
    return (
        _instruction(_LOAD, low)
        + _instruction(_JUMP_EQUAL, rule.value & 0xFFFFFFFF, 0, 3)
        + _instruction(_LOAD, low + 4)
        + _instruction(_JUMP_EQUAL, rule.value >> 32, 0, 1)
        + allow
        + refuse
    )


def build(allowed: Iterable[str], rules: Iterable[Rule] = (), machine: str = platform.machine()) -> bytes:
    """The program for a machine: `allowed` calls pass, `rules` pass under a condition, the rest fails."""
    refuse = _instruction(_RETURN, _ERRNO | _EPERM)
    program = [
        _instruction(_LOAD, _AT_ARCH),
        _instruction(_JUMP_EQUAL, _AUDIT_ARCH[machine], 1, 0),
        _instruction(_RETURN, _KILL_PROCESS),
        _instruction(_LOAD, _AT_NUMBER),
        _instruction(_JUMP_GREATER, _X32_BIT - 1, 0, 1),
        refuse,
        _instruction(_JUMP_GREATER, _NEWEST_KNOWN, 0, 1),
        _instruction(_RETURN, _ERRNO | _ENOSYS),
    ]
    for rule in rules:
        if (called := number(rule.call, machine)) is not None:
            checks = _rule(rule)
            program += [_instruction(_JUMP_EQUAL, called, 0, len(checks) // 8), checks]
    for call in allowed:
        if (called := number(call, machine)) is not None:
            program += [_instruction(_JUMP_EQUAL, called, 0, 1), _instruction(_RETURN, _ALLOW)]
    return b"".join([*program, refuse])


class _Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p)]


def install(program: bytes) -> None:
    """Put this process under the program, for good; PR_SET_NO_NEW_PRIVS must be set."""
    libc.prctl(
        libc.PR_SET_SECCOMP, _MODE_FILTER, ctypes.byref(_Program(len(program) // 8, ctypes.c_char_p(program)))
    )
