"""Reads a FlatBuffer whose bytes nobody vouches for: every position is checked, and all work is counted.

The `flatbuffers` package checks no bounds: a damaged offset gives it a wrong value, an odd exception, or a loop over four
thousand million entries. This reader knows the format and no schema; it gives values, or refuses the whole buffer. It recurses
nowhere, so a cycle in the bytes has no effect beyond the caller's own depth. Called by the readers of model files.

Source: "FlatBuffers Internals", https://flatbuffers.dev/internals/ (tables, vtables, vectors, strings; little-endian).
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from agent.core.errors import ModelRefused

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_ITEMS = 300_000
"""Tables, numbers and strings read from one buffer before it is refused; a model of 1,000 operators has some 10,000."""
MAX_TEXT_BYTES = 64 << 10
"""A string is cut here; a licence is the longest that occurs."""

_CONTROLS = {code: "\ufffd" for code in (*range(0x20), *range(0x7F, 0xA0)) if chr(code) not in "\n\r\t"}
_U16 = struct.Struct("<H")
_I32 = struct.Struct("<i")
_U32 = struct.Struct("<I")
_SCALARS = {code: struct.Struct("<" + code) for code in "bBiIqQf"}


class FlatBuffer:
    """The bytes of one buffer, and what may still be read from it. One thread."""

    def __init__(self, data: bytes | memoryview, name: str) -> None:
        """Store.

        Args:
            data: The whole buffer; it is never copied.
            name: What messages call it, such as the file's path.
        """
        self.data = memoryview(data)
        self.name = name
        self._left = MAX_ITEMS

    @property
    def identifier(self) -> bytes:
        """The four bytes after the root offset, which name the schema; shorter in a short buffer."""
        return bytes(self.data[4:8])

    def root(self) -> Table:
        """The table that everything hangs on.

        Raises:
            ModelRefused: As for everything read from here: an offset leaves the buffer, or there is too much in it.
        """
        return Table(self, self.unpack(_U32, 0))

    def unpack(self, layout: struct.Struct, position: int) -> int:
        """One number at a position, checked."""
        self.check(position, layout.size)
        value: int = layout.unpack_from(self.data, position)[0]
        return value

    def check(self, position: int, size_bytes: int) -> None:
        """Refuse what does not lie in the buffer as a whole."""
        if position < 0 or position + size_bytes > len(self.data):
            beyond = position if position < 0 else position + size_bytes
            raise ModelRefused(
                f"{self.name} is truncated or damaged: it ends at byte {len(self.data)}; a structure points to byte {beyond}",
                hint="copy or download the file again and compare its sha256 with the original's",
            )

    def spend(self, items: int) -> None:
        """Count what is read, so that vectors which share their content cannot multiply the work."""
        self._left -= items
        if self._left < 0:
            raise ModelRefused(
                f"{self.name} holds more than {MAX_ITEMS} structures, far beyond any model for a device",
                hint="export the model again; the file is damaged or was made to exhaust its readers",
            )


class Table:
    """One table. Fields are numbered from 0 in the order of the schema; a field that is not there has its default."""

    __slots__ = ("_buffer", "_position", "_vtable", "_vtable_bytes")

    def __init__(self, buffer: FlatBuffer, position: int) -> None:
        buffer.spend(1)
        self._buffer = buffer
        self._position = position
        self._vtable = position - buffer.unpack(_I32, position)
        self._vtable_bytes = buffer.unpack(_U16, self._vtable)

    def scalar(self, field: int, code: str, default: int = 0) -> int:
        """A number; `code` is the letter of the `struct` module: b, B, i, I, q, Q."""
        position = self._locate(field)
        return self._buffer.unpack(_SCALARS[code], position) if position else default

    def real(self, field: int) -> float:
        """A float32, 0 where it is not there."""
        return float(self.scalar(field, "f"))

    def table(self, field: int) -> Table | None:
        """A table, also the content of a union."""
        position = self._follow(field)
        return Table(self._buffer, position) if position else None

    def tables(self, field: int) -> Iterator[Table]:
        """The tables of a vector, one after the other."""
        start, count = self._vector(field, 4)
        for position in range(start, start + 4 * count, 4):
            yield Table(self._buffer, position + self._buffer.unpack(_U32, position))

    def length(self, field: int) -> int:
        """How many entries a vector says it has; 0 where it is not there."""
        position = self._follow(field)
        return self._buffer.unpack(_U32, position) if position else 0

    def numbers(self, field: int, code: str) -> tuple[int, ...]:
        """A vector of numbers."""
        layout = _SCALARS[code]
        start, count = self._vector(field, layout.size)
        self._buffer.spend(count)
        return struct.unpack_from(f"<{count}{code}", self._buffer.data, start)

    def reals(self, field: int) -> tuple[float, ...]:
        """A vector of float32."""
        return tuple(float(value) for value in self.numbers(field, "f"))

    def span(self, field: int) -> memoryview:
        """A vector of bytes, as a view."""
        start, count = self._vector(field, 1)
        return self._buffer.data[start : start + count]

    def text(self, field: int) -> str:
        """A string that is safe to print: what is no UTF-8, or controls a terminal, becomes U+FFFD."""
        raw = bytes(self.span(field)[:MAX_TEXT_BYTES])
        self._buffer.spend(1 + len(raw) // 64)
        return printable(raw)

    def _vector(self, field: int, entry_bytes: int) -> tuple[int, int]:
        """Position of the first entry, and the number of entries, all of which lie in the buffer."""
        position = self._follow(field)
        if not position:
            return 0, 0
        count = self._buffer.unpack(_U32, position)
        self._buffer.check(position + 4, count * entry_bytes)
        return position + 4, count

    def _follow(self, field: int) -> int:
        """Position that a field points to, 0 where the field is not there."""
        position = self._locate(field)
        return position + self._buffer.unpack(_U32, position) if position else 0

    def _locate(self, field: int) -> int:
        """Position of a field's own bytes, 0 where the field is not there."""
        slot = 4 + 2 * field
        if slot + 2 > self._vtable_bytes:
            return 0
        offset = self._buffer.unpack(_U16, self._vtable + slot)
        return self._position + offset if offset else 0


def printable(raw: bytes) -> str:
    """Text of somebody else's bytes: what is no UTF-8, or controls a terminal, becomes U+FFFD; line ends and tabs stay."""
    return raw.decode("utf-8", errors="replace").translate(_CONTROLS)
