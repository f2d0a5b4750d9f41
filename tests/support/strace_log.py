"""What a child process asked of the kernel about files, as strace wrote it down: lines in, calls out. Knows nothing of what they do."""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

needs_strace = pytest.mark.skipif(
    shutil.which("strace") is None, reason="strace is not installed; see tests/install-tools"
)

_TRACED = (
    "open,openat,creat,read,write,pwrite64,writev,pwritev,pwritev2,truncate,ftruncate,fallocate,fsync,fdatasync,rename,renameat,renameat2,"
    "unlink,unlinkat,link,linkat,symlink,symlinkat,mkdir,mkdirat,rmdir,lseek,mmap,copy_file_range,sendfile"
)
_LONGEST_BYTES = 1 << 20
"""Of one write; a longer one would be cut short in the log, which is an error."""
_LINE = re.compile(r"(?P<pid>\d+) +(?P<name>\w+)\((?P<arguments>.*)\) += (?P<result>-?\w+)(?P<more>.*)")
_UNFINISHED = re.compile(r"(?P<pid>\d+) +(?P<begin>\w+\(.*) <unfinished \.\.\.>")
_RESUMED = re.compile(r"(?P<pid>\d+) +<\.\.\. \w+ resumed>(?P<rest>.*)")
_HEX = re.compile(r"(?:\\x[0-9a-f]{2})*")
_FD = re.compile(r"(?P<number>\d+|AT_FDCWD)<(?P<path>[^>]*)>(?P<deleted>\(deleted\))?")


def recorded(log: Path, command: Sequence[str], *options: str) -> list[str]:
    """A command that runs another and writes down what it does with files.

    Args:
        log: Where.
        command: The other.
        options: Further ones of strace, such as injected errors.
    """
    what = ["-e", f"trace={_TRACED}", "-xx", "-y", "-s", str(_LONGEST_BYTES)]
    return ["strace", "-f", "-qq", *what, *options, "-o", str(log), *command]


@dataclass(frozen=True, slots=True)
class Call:
    """One system call that has come back.

    Attributes:
        name: Of the call.
        arguments: As in the log; see `text`, `number` and `path`.
        result: What it gave; -1 for a failure.
        opened: The path of the descriptor that it gave, or None.
        begun: How many calls had come back when this one began.
    """

    name: str
    arguments: tuple[str, ...]
    result: int
    opened: str | None
    begun: int

    def text(self, index: int) -> bytes:
        """A string argument."""
        argument = self.arguments[index]
        assert argument[:1] == '"' == argument[-1:], f"cut short: {self.name} {argument[:40]}"
        return _bytes(argument[1:-1])

    def number(self, index: int) -> int:
        """A numeric argument."""
        return int(self.arguments[index], 0)

    def path(self, index: int) -> str | None:
        """Where the descriptor in an argument leads; None if it leads nowhere or to what has no name any more."""
        found = _FD.fullmatch(self.arguments[index])
        return None if found is None or found["deleted"] else _bytes(found["path"]).decode()

    def named(self, index: int, *, at: int | None = None) -> str:
        """An argument that is a path; relative to the folder in argument `at`."""
        path = self.text(index).decode()
        folder = None if at is None else self.path(at)
        return path if path.startswith("/") or folder is None else f"{folder}/{path}"


def read_log(lines: Iterable[str]) -> Iterator[Call]:
    """The calls of a log in the order in which they came back.

    Raises:
        AssertionError: A line is not understood.
    """
    begun: dict[str, tuple[str, int]] = {}
    count = 0
    for raw in lines:
        line, began = raw.rstrip("\n"), count
        if found := _UNFINISHED.fullmatch(line):
            begun[found["pid"]] = found["begin"], count
            continue
        if found := _RESUMED.fullmatch(line):
            begin, began = begun.pop(found["pid"])
            line = f"{found['pid']} {begin}{found['rest']}"
        found = _LINE.fullmatch(line)
        if found is None or found["result"] == "?":
            assert not line or re.search(r"\+\+\+|---|\) += \?", line), f"not understood: {line[:200]}"
            continue
        opened = re.match(r"<([^>]*)>", found["more"])
        count += 1
        yield Call(
            name=found["name"],
            arguments=tuple(found["arguments"].split(", ")),
            result=int(found["result"], 0),
            opened=_bytes(opened[1]).decode() if opened else None,
            begun=began,
        )


def _bytes(text: str) -> bytes:
    assert _HEX.fullmatch(text), f"not hexadecimal: {text[:40]}"
    return bytes.fromhex(text.replace("\\x", ""))
