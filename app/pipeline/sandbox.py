"""The cell that strangers' files are parsed in: limits, no network, no exec, no files but fonts.

`Sandbox.prepare()` runs once in the clean fork-server and builds what every child needs;
`seal()` runs in the child, before the first byte of the document is looked at, and cannot be undone.
"""

import os
import platform
import resource
import signal
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from app.pipeline import sandbox_landlock as landlock
from app.pipeline import sandbox_libc as libc
from app.pipeline import sandbox_seccomp as seccomp
from app.pipeline.sandbox_seccomp import Equals, Without

Profile = Literal["parser", "conductor", "tool"]
"""`parser` draws in this process; `conductor` starts the tools it was given; `tool` is one of those."""

FONT_FOLDERS = (
    "/usr/share/fonts",
    "/usr/local/share/fonts",
    "/usr/share/X11/fonts",
    "/usr/share/texmf/fonts",
)
_TOOL_FILES = (
    "/etc/fonts",
    "/etc/ld.so.cache",
    "/usr/share/poppler",
    "/usr/share/fontconfig",
    "/usr/share/ghostscript",
    "/usr/local/share/poppler",
    "/var/cache/fontconfig",
    "/dev/null",
)
_LIBRARY_FOLDERS = ("/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/local/lib")

# fmt: off
_COMPUTE = [
    "read", "write", "readv", "writev", "pread64", "lseek", "close", "fstat", "fcntl", "dup", "poll", "ppoll",
    "mmap", "munmap", "mremap", "madvise", "mprotect", "brk", "futex", "sched_yield", "sched_getaffinity",
    "clock_gettime", "clock_getres", "clock_nanosleep", "nanosleep", "gettimeofday", "time", "getrandom",
    "getpid", "gettid", "getuid", "geteuid", "getgid", "getegid", "sysinfo", "uname",
    "rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "sigaltstack", "restart_syscall", "exit", "exit_group",
]
_LOOK = [
    "newfstatat", "stat", "lstat", "statx", "statfs", "fstatfs", "access", "faccessat", "faccessat2",
    "readlink", "readlinkat", "getcwd", "getdents64", "fadvise64",
]
_BEGIN = ["arch_prctl", "set_tid_address", "set_robust_list", "rseq"]
_CONDUCT = ["pipe2", "dup2", "dup3", "wait4"]
# fmt: on

_NOT_READING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
_READ_ONLY = (Without("openat", 2, _NOT_READING), Without("open", 1, _NOT_READING))
# CLONE_THREAD, every CLONE_NEW*, CLONE_PTRACE, CLONE_PARENT: a conductor may fork plainly, no more.
_PLAIN_FORK = Without("clone", 0, 0x00010000 | 0x7E020000 | 0x02000000 | 0x00000080 | 0x00002000 | 0x00008000)

_MOST_FILES = 64


@dataclass(frozen=True)
class Limits:
    """What one process of the cell may use."""

    memory_bytes: int
    cpu_s: int


@dataclass(frozen=True)
class Sandbox:
    """Filters and rule sets, ready to be put on; `report` says what this machine could give."""

    report: dict[str, str]
    filters: dict[Profile, bytes]
    rulesets: dict[Profile, int]

    @classmethod
    def prepare(cls, tools: Iterable[str] = (), exec_address: int = 0) -> "Sandbox":
        """`tools` are programs that a conductor may start, by the path that it puts at `exec_address`."""
        abi = landlock.version()
        filtered = seccomp.supported()
        report = {
            "seccomp": "filter" if filtered else "absent",
            "landlock": f"abi {abi}" if abi else "absent",
            "rlimits": "as cpu fsize nofile nproc core",
        }
        return cls(report, filters(bool(abi), exec_address) if filtered else {}, _rulesets(abi, tools))

    @property
    def confines_tools(self) -> bool:
        """Can a tool be kept from reading any file but the document? Only Landlock does that."""
        return "conductor" in self.rulesets

    def seal(self, profile: Profile, limits: Limits) -> None:
        """Put this process into the cell. Raises OSError, and then nothing may be parsed."""
        _limit(profile, limits)
        if not libc.LINUX:
            return
        libc.prctl(libc.PR_SET_NO_NEW_PRIVS, 1)
        libc.prctl(libc.PR_SET_DUMPABLE, 0)
        if (capset := seccomp.number("capset")) is not None:
            libc.drop_capabilities(capset)
        if profile in self.rulesets:
            landlock.restrict(self.rulesets[profile])
        if profile in self.filters:
            seccomp.install(self.filters[profile])

    def become_tool(self) -> None:
        """The conductor's child, just before its exec: no more forks. The rest it has inherited."""
        if "tool" in self.filters:
            seccomp.install(self.filters["tool"])


def filters(
    landlocked: bool, exec_address: int = 0, machine: str = platform.machine()
) -> dict[Profile, bytes]:
    """Without Landlock a parser may open nothing at all; a tool must at least find its libraries."""
    start = Equals("execve", 0, exec_address)
    add_filter = Equals("prctl", 0, libc.PR_SET_SECCOMP)
    reading = [*_COMPUTE, *_LOOK]
    parser, opening = (reading, _READ_ONLY) if landlocked else (_COMPUTE, ())
    return {
        "parser": seccomp.build(parser, opening, machine),
        "conductor": seccomp.build(
            [*reading, *_BEGIN, *_CONDUCT], [*_READ_ONLY, start, add_filter, _PLAIN_FORK], machine
        ),
        "tool": seccomp.build([*reading, *_BEGIN], [*_READ_ONLY, start], machine),
    }


def _rulesets(abi: int, tools: Iterable[str]) -> dict[Profile, int]:
    if not abi:
        return {}
    programs = [os.path.realpath(tool) for tool in tools]
    rulesets: dict[Profile, int] = {"parser": landlock.create(FONT_FOLDERS)}
    if programs:
        rulesets["conductor"] = landlock.create([*FONT_FOLDERS, *_TOOL_FILES], [*programs, *_LIBRARY_FOLDERS])
    return rulesets


def _limit(profile: Profile, limits: Limits) -> None:
    """The soft CPU limit signals SIGXCPU, so that the cause can be told; the hard one kills."""
    _set(resource.RLIMIT_CORE, 0, 0)
    _set(resource.RLIMIT_FSIZE, 0, 0)
    _set(resource.RLIMIT_CPU, limits.cpu_s, limits.cpu_s + 2)
    _set(resource.RLIMIT_AS, limits.memory_bytes, limits.memory_bytes)
    _set(resource.RLIMIT_NOFILE, _MOST_FILES, _MOST_FILES)
    if profile == "parser":
        _set(resource.RLIMIT_NPROC, 0, 0)
    signal.signal(signal.SIGXCPU, signal.SIG_DFL)


def _set(which: int, soft: int, hard: int) -> None:
    """Lower a limit; a hard limit that is lower already stays."""
    _, ceiling = resource.getrlimit(which)
    if ceiling != resource.RLIM_INFINITY:
        soft, hard = min(soft, ceiling), min(hard, ceiling)
    resource.setrlimit(which, (soft, hard))
