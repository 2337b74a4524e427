"""The one way through which a sealed conductor starts a tool.

The filter lets `execve` pass only when the program's name stands at one secret address. The
conductor's children write the name there; the program that starts has a fresh memory without that
page, does not know the address, and so cannot start another one.
"""

import ctypes
import mmap
import os
import secrets
from dataclasses import dataclass
from typing import NoReturn

from app.pipeline import sandbox_libc as libc

_PAGE = mmap.PAGESIZE
_LOWEST, _PAGES = 1 << 36, (1 << 45) // _PAGE
_EXECUTABLE_FAILED = 127


@dataclass(frozen=True)
class ExecGate:
    """A page of memory at a random place."""

    address: int

    @classmethod
    def make(cls) -> "ExecGate":
        wanted = _LOWEST + secrets.randbelow(_PAGES) * _PAGE
        return cls(libc.map_private_page(wanted, _PAGE))

    def execute(self, program: str, arguments: list[str]) -> NoReturn:
        """Become `program`, with an empty environment; ends the process when that is refused."""
        name = os.fsencode(program) + b"\0"
        if len(name) <= _PAGE:
            ctypes.memmove(self.address, name, len(name))
            libc.execve(self.address, [name[:-1], *(os.fsencode(each) for each in arguments)])
        os._exit(_EXECUTABLE_FAILED)
