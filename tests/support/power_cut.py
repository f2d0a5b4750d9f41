"""What a disk may look like after a power cut, at any moment of a recorded run. Knows nothing of who wrote the files, or why.

It keeps what a file system owes by its contract, and nothing that one happens to do beyond it:

- What was written to a file is there for certain once an fsync of that file that began later has come back. Before that each sector of 512
  bytes of each write may be there or not, whatever came after it; the file's size too.
- A name that was made, changed or removed is so for certain after an fsync of its folder. Before that each such step may have happened or
  not. A rename is atomic: the old name or the new one. An fsync of the file does nothing for its name.
- After an fsync that failed, what it was for may never come to the disk, whatever later ones say (Rebello et al., "Can Applications Recover
  from fsync Failures?", 2020). Only writing it again helps.

Files are followed by their names, below one folder that was empty at the start.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from strace_log import read_log

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from strace_log import Call

SECTOR_BYTES = 512
_STDOUT = "1<"


@dataclass(slots=True)
class _Change:
    """A write, or a new size where `data` is None, and whether it is on the disk for certain."""

    offset: int
    data: bytes | None
    at: int
    is_sure: bool = False
    is_lost: bool = False
    """An fsync failed for it: no later one makes it sure."""


@dataclass(slots=True, eq=False)
class _File:
    on_disk: bytearray = field(default_factory=bytearray)
    size: int = 0
    """As the process sees it."""
    changes: list[_Change] = field(default_factory=list)

    def change(self, change: _Change) -> None:
        self.changes.append(change)
        self.size = change.offset if change.data is None else max(self.size, change.offset + len(change.data))

    def sync(self, begun: int, *, failed: bool) -> None:
        for change in self.changes:
            if change.at <= begun and not change.is_sure:
                change.is_lost |= failed
                change.is_sure = not change.is_lost
        while self.changes and self.changes[0].is_sure:
            _apply(self.on_disk, self.changes.pop(0))

    def left(self, chance: Callable[[], bool]) -> bytes:
        """What may be found after a power cut now."""
        found = bytearray(self.on_disk)
        for change in self.changes:
            if change.is_sure:
                _apply(found, change)
            elif change.data is None:
                if chance():
                    _resize(found, change.offset)
            else:
                for offset, piece in _sectors(change.offset, change.data):
                    if chance():
                        _write(found, offset, piece)
                if chance():
                    _resize(found, max(len(found), change.offset + len(change.data)))
        return bytes(found)


@dataclass(slots=True, eq=False)
class _Folder:
    names: dict[str, _File | _Folder] = field(default_factory=dict)
    """As the process sees it."""
    on_disk: dict[str, _File | _Folder] = field(default_factory=dict)


@dataclass(slots=True)
class _Naming:
    """Names that change together, and the folders whose fsync makes that sure."""

    steps: list[tuple[_Folder, str, _File | _Folder | None]]
    waits_for: list[_Folder]
    at: int


class Disk:
    """A folder as it is on the disk while a recorded run goes on. One thread.

    Attributes:
        moments: How many there are.
        said: What the run has written to its standard output by now, a pipe.
        calls: Calls that did something here by now, by name.
    """

    def __init__(self, root: Path, log: Iterable[str], *, ignored: tuple[str, ...] = ()) -> None:
        """Read a whole log.

        Args:
            root: The folder; empty when the run began.
            log: Lines of strace; see `strace_log.recorded`.
            ignored: Ends of names of files that need not outlive a power cut.
        """
        self._prefix = f"{root}/"
        self._ignored = ignored
        calls = list(read_log(log))
        self._calls = [(at, call) for at, call in enumerate(calls, 1) if self._is_here(call)]
        self._next = 0
        self._root = _Folder()
        self._namings: list[_Naming] = []
        self._places: dict[str, int] = {}
        self.moments = len(self._calls)
        self.said = b""
        self.calls: Counter[str] = Counter()

    def _is_here(self, call: Call) -> bool:
        if call.name == "write" and call.arguments[0].startswith(_STDOUT):
            return True
        root = self._prefix.rstrip("/")
        texts = [call.path(k) for k, argument in enumerate(call.arguments) if "<" in argument]
        if call.name not in _DATA:  # else a string is what is written, no name
            texts += [
                call.named(k, at=k - 1 if k else None) for k, text in enumerate(call.arguments) if text[:1] == '"'
            ]
        return any(text is not None and (text == root or text.startswith(self._prefix)) for text in texts)

    def go_to(self, moment: int) -> None:
        """Let the run go on until just after a moment; it does not go back."""
        assert self._next <= moment <= self.moments
        for at, call in self._calls[self._next : moment]:
            self._play(at, call)
        self._next = moment

    # -- what a call does ---------------------------------------------------------------------------------------------

    def _play(self, at: int, call: Call) -> None:
        if call.name == "write" and call.arguments[0].startswith(_STDOUT):
            self.said += call.text(1)
            return
        self.calls[call.name] += 1
        if call.name in ("fsync", "fdatasync"):
            self._sync(call)
        elif call.result >= 0:
            act = getattr(self, f"_{call.name}", None)
            assert act is not None, f"{call.name} is not followed"
            act(at, call)

    def _sync(self, call: Call) -> None:
        node = self._find(call.path(0))
        if isinstance(node, _File):
            node.sync(call.begun, failed=call.result < 0)
        elif node is not None and call.result >= 0:
            for naming in self._namings.copy():
                if naming.at <= call.begun:
                    naming.waits_for = [folder for folder in naming.waits_for if folder is not node]
                    if not naming.waits_for:
                        self._namings.remove(naming)
                        for folder, name, what in naming.steps:
                            _set(folder.on_disk, name, what)

    def _openat(self, at: int, call: Call) -> None:
        path, flags = call.opened, call.arguments[2]
        if path is None or self._is_ignored(path):
            return
        node = self._find(path)
        if node is None and "O_CREAT" in flags:
            node = _File()
            self._name(at, (path, node))
        elif isinstance(node, _File) and "O_TRUNC" in flags and node.size:
            node.change(_Change(0, None, at))
        self._places[str(call.result)] = node.size if isinstance(node, _File) and "O_APPEND" in flags else 0

    def _mkdir(self, at: int, call: Call) -> None:
        self._name(at, (call.named(0), _Folder()))

    def _mkdirat(self, at: int, call: Call) -> None:
        self._name(at, (call.named(1, at=0), _Folder()))

    def _unlink(self, at: int, call: Call) -> None:
        self._name(at, (call.named(0), None))

    _rmdir = _unlink

    def _unlinkat(self, at: int, call: Call) -> None:
        self._name(at, (call.named(1, at=0), None))

    def _rename(self, at: int, call: Call) -> None:
        self._move(at, call.named(0), call.named(1))

    def _renameat(self, at: int, call: Call) -> None:
        self._move(at, call.named(1, at=0), call.named(3, at=2))

    _renameat2 = _renameat

    def _link(self, at: int, call: Call) -> None:
        self._name(at, (call.named(1), self._find(call.named(0))))

    def _move(self, at: int, old: str, new: str) -> None:
        self._name(at, (old, None), (new, self._find(old)))

    def _pwrite64(self, at: int, call: Call) -> None:
        self._write_at(at, call, call.number(3))

    def _write(self, at: int, call: Call) -> None:
        """Behind what was written through this descriptor; whoever appends to a file is its only writer."""
        place = call.arguments[0].partition("<")[0]
        offset = self._places.get(place, 0)
        self._places[place] = offset + call.result
        self._write_at(at, call, offset)

    def _read(self, _at: int, call: Call) -> None:
        """What is read moves the place of the next write through this descriptor."""
        place = call.arguments[0].partition("<")[0]
        self._places[place] = self._places.get(place, 0) + call.result

    def _lseek(self, at: int, call: Call) -> None:
        self._places[call.arguments[0].partition("<")[0]] = call.result

    def _write_at(self, at: int, call: Call, offset: int) -> None:
        node = self._find(call.path(0))
        if isinstance(node, _File):
            node.change(_Change(offset, call.text(1)[: call.result], at))

    def _ftruncate(self, at: int, call: Call) -> None:
        node = self._find(call.path(0))
        if isinstance(node, _File):
            node.change(_Change(call.number(1), None, at))

    def _mmap(self, at: int, call: Call) -> None:
        path = call.path(4) or ""
        is_written = "PROT_WRITE" in call.arguments[2] and "MAP_SHARED" in call.arguments[3]
        assert not is_written or self._is_ignored(path), f"{path} is written through memory, which is not followed"

    # -- names --------------------------------------------------------------------------------------------------------

    def _is_ignored(self, path: str) -> bool:
        return path.endswith(self._ignored) if self._ignored else False

    def _find(self, path: str | None) -> _File | _Folder | None:
        if path is None:
            return None
        node: _File | _Folder | None = self._root
        for name in path[len(self._prefix) :].split("/"):
            if name:
                node = node.names.get(name) if isinstance(node, _Folder) else None
        return node

    def _name(self, at: int, *updates: tuple[str, _File | _Folder | None]) -> None:
        naming = _Naming([], [], at)
        for path, what in updates:
            if self._is_ignored(path):
                continue
            above, _, name = path.rpartition("/")
            folder = self._find(above)
            assert isinstance(folder, _Folder), f"{above} is not known"
            _set(folder.names, name, what)
            naming.steps.append((folder, name, what))
            if folder not in naming.waits_for:
                naming.waits_for.append(folder)
        if naming.steps:
            self._namings.append(naming)

    # -- the cut ------------------------------------------------------------------------------------------------------

    def cut(self, into: Path, random: random.Random) -> None:
        """Write down one of the states in which a power cut now may leave the folder.

        Args:
            into: An empty folder.
            random: Decides what of the uncertain is there: nothing, all, or each part by its own chance.
        """
        share = random.choice((0.0, 0.1, 0.5, 0.9, 1.0))
        found = {self._root: dict(self._root.on_disk)}
        for naming in self._namings:
            if random.random() < share:
                for folder, name, what in naming.steps:
                    _set(found.setdefault(folder, dict(folder.on_disk)), name, what)
        self._leave(self._root, into, found, lambda: random.random() < share)

    def _leave(
        self,
        folder: _Folder,
        into: Path,
        found: dict[_Folder, dict[str, _File | _Folder]],
        chance: Callable[[], bool],
    ) -> None:
        for name, node in sorted(found.get(folder, folder.on_disk).items()):
            if isinstance(node, _File):
                (into / name).write_bytes(node.left(chance))
            else:
                (into / name).mkdir()
                self._leave(node, into / name, found, chance)


_DATA = ("read", "write", "pwrite64", "writev", "pwritev", "pwritev2")


def _set(names: dict[str, _File | _Folder], name: str, what: _File | _Folder | None) -> None:
    if what is None:
        names.pop(name, None)
    else:
        names[name] = what


def _sectors(offset: int, data: bytes) -> Iterable[tuple[int, bytes]]:
    """A write in pieces that do not cross a sector."""
    begin = 0
    while begin < len(data):
        end = min(len(data), begin + SECTOR_BYTES - (offset + begin) % SECTOR_BYTES)
        yield offset + begin, data[begin:end]
        begin = end


def _apply(content: bytearray, change: _Change) -> None:
    if change.data is None:
        _resize(content, change.offset)
    else:
        _write(content, change.offset, change.data)


def _write(content: bytearray, offset: int, data: bytes) -> None:
    _resize(content, max(len(content), offset + len(data)))
    content[offset : offset + len(data)] = data


def _resize(content: bytearray, size: int) -> None:
    if size <= len(content):
        del content[size:]
    else:
        content.extend(bytes(size - len(content)))
