"""The filters, run by a small interpreter: the same answers for both machines, whichever runs the tests."""

import struct

import pytest

from app.pipeline.sandbox import filters
from app.pipeline.sandbox_seccomp import Equals, Without, build

ALLOW, EPERM, ENOSYS, KILL = 0x7FFF0000, 0x00050001, 0x00050026, 0x80000000
ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
GATE = 0x1234_5678_9000

# (x86_64, aarch64) numbers of what nobody in the cell may do.
FORBIDDEN = {
    "socket": (41, 198),
    "socketpair": (53, 199),
    "connect": (42, 203),
    "bind": (49, 200),
    "sendto": (44, 206),
    "sendmsg": (46, 211),
    "kill": (62, 129),
    "tkill": (200, 130),
    "tgkill": (234, 131),
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "pidfd_open": (434, 434),
    "pidfd_getfd": (438, 438),
    "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426),
    "clone3": (435, 435),
    "execveat": (322, 281),
    "unshare": (272, 97),
    "setns": (308, 268),
    "mount": (165, 40),
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "keyctl": (250, 219),
    "prlimit64": (302, 261),
    "unlinkat": (263, 35),
    "renameat2": (316, 276),
    "mkdirat": (258, 34),
    "ioctl": (16, 29),
    "openat2": (437, 437),
    "name_to_handle_at": (303, 264),
    "memfd_create": (319, 279),
    "capset": (126, 91),
    "seccomp": (317, 277),
}
OPENAT = {"x86_64": 257, "aarch64": 56}
CLONE = {"x86_64": 56, "aarch64": 220}
EXECVE = {"x86_64": 59, "aarch64": 221}
PRCTL = {"x86_64": 157, "aarch64": 167}
READ = {"x86_64": 0, "aarch64": 63}
MACHINES = ["x86_64", "aarch64"]


def run(program: bytes, number: int, arch: int, *arguments: int) -> int:
    """What the kernel would answer."""
    padded = [*arguments, *[0] * (6 - len(arguments))]
    data = struct.pack("<IIQ6Q", number, arch, 0, *padded)
    steps = list(struct.iter_unpack("=HBBI", program))
    at, accumulator = 0, 0
    while True:
        code, when_true, when_false, value = steps[at]
        at += 1
        if code == 0x06:
            return int(value)
        if code == 0x20:
            accumulator = struct.unpack_from("<I", data, value)[0]
            continue
        met = {0x15: accumulator == value, 0x25: accumulator > value, 0x45: bool(accumulator & value)}[code]
        at += when_true if met else when_false


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("profile", ["parser", "conductor", "tool"])
@pytest.mark.parametrize("landlocked", [True, False])
@pytest.mark.parametrize("call", FORBIDDEN)
def test_nobody_in_the_cell_gets_out(machine: str, profile: str, landlocked: bool, call: str) -> None:
    program = filters(landlocked, GATE, machine)[profile]  # type: ignore[index]
    number = FORBIDDEN[call][MACHINES.index(machine)]
    assert run(program, number, ARCH[machine]) == EPERM
    assert run(program, READ[machine], ARCH[machine]) == ALLOW


@pytest.mark.parametrize("machine", MACHINES)
def test_a_foreign_architecture_kills_and_the_x32_gate_is_shut(machine: str) -> None:
    program = filters(True, GATE, machine)["parser"]
    other = next(arch for name, arch in ARCH.items() if name != machine)
    assert run(program, READ[machine], other) == KILL
    assert run(program, 0x40000000 | READ[machine], ARCH[machine]) == EPERM
    assert run(program, 1000, ARCH[machine]) == ENOSYS


@pytest.mark.parametrize("machine", MACHINES)
def test_files_are_only_opened_for_reading_and_not_at_all_without_landlock(machine: str) -> None:
    with_landlock, without = (filters(each, GATE, machine)["parser"] for each in (True, False))
    assert run(with_landlock, OPENAT[machine], ARCH[machine], 0, 0, 0o2000000) == ALLOW
    for writing in (1, 2, 0o100, 0o1000):
        assert run(with_landlock, OPENAT[machine], ARCH[machine], 0, 0, writing) == EPERM
    assert run(without, OPENAT[machine], ARCH[machine]) == EPERM


@pytest.mark.parametrize("machine", MACHINES)
def test_only_a_conductor_forks_and_only_plainly(machine: str) -> None:
    made = filters(True, GATE, machine)
    plain, thread, namespace = 0x01200011, 0x003D0F00, 0x10000011
    answers = [run(made["conductor"], CLONE[machine], ARCH[machine], f) for f in (plain, thread, namespace)]
    assert answers == [ALLOW, EPERM, EPERM]
    for profile in ("parser", "tool"):
        assert run(made[profile], CLONE[machine], ARCH[machine], plain) == EPERM  # type: ignore[index]


@pytest.mark.parametrize("machine", MACHINES)
def test_exec_passes_only_at_the_secret_address(machine: str) -> None:
    made = filters(True, GATE, machine)
    for profile in ("conductor", "tool"):
        program = made[profile]  # type: ignore[index]
        assert run(program, EXECVE[machine], ARCH[machine], GATE) == ALLOW
        for elsewhere in (GATE + 1, GATE & 0xFFFFFFFF, GATE + (1 << 32), 0):
            assert run(program, EXECVE[machine], ARCH[machine], elsewhere) == EPERM
    assert run(made["parser"], EXECVE[machine], ARCH[machine], GATE) == EPERM


@pytest.mark.parametrize("machine", MACHINES)
def test_prctl_can_only_add_filters(machine: str) -> None:
    conductor = filters(True, GATE, machine)["conductor"]
    assert run(conductor, PRCTL[machine], ARCH[machine], 22) == ALLOW
    assert run(conductor, PRCTL[machine], ARCH[machine], 4) == EPERM  # PR_SET_DUMPABLE


def test_rules_do_not_disturb_what_stands_after_them() -> None:
    program = build(["read"], [Equals("execve", 0, 5), Without("openat", 2, 1)], "x86_64")
    assert run(program, 0, ARCH["x86_64"]) == ALLOW
    assert run(program, 59, ARCH["x86_64"], 5) == ALLOW
    assert run(program, 257, ARCH["x86_64"], 0, 0, 2) == ALLOW
