"""Reads what Linux tells of a machine. Decides nothing, and takes whatever it finds: a missing or broken file is no error."""

from __future__ import annotations

import os
import re
import struct
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import get_args

from device_profiles._profile import CpuFlag

_READ_MAX_BYTES = 1 << 20
_TEXT_MAX = 128
_FLAGS = frozenset(get_args(CpuFlag))
_MACHINES_OF_32_BITS = ("armv*", "i?86")


@dataclass(frozen=True, slots=True)
class Facts:
    """A machine as its files describe it; the texts are printable and short, whatever the files hold."""

    machine: str
    """As uname(2) names the architecture, such as `aarch64`."""
    pointer_bits: int
    """Word size of the Python that runs: 32 or 64."""
    compatible: tuple[str, ...] = ()
    """The device tree's `compatible` strings, the most specific first."""
    model: str | None = None
    """The device tree's `model`: free text, for people."""
    dmi_vendor: str | None = None
    """DMI's `sys_vendor`."""
    dmi_product: str | None = None
    """DMI's `product_name`."""
    cpu_flags: frozenset[str] = frozenset()
    """Those of `CpuFlag` that every core has."""
    cores: int | None = None
    """Cores that are on."""
    memory_bytes: int | None = None
    """Memory that Linux may use."""


def read_facts(root: Path = Path("/"), *, machine: str | None = None, pointer_bits: int | None = None) -> Facts:
    """Reads `proc/cpuinfo`, `proc/meminfo`, `proc/device-tree` and `sys/class/dmi/id` under `root`.

    Args:
        root: `/`, or a folder with files of another machine.
        machine: Architecture in uname(2)'s words, default this machine's.
        pointer_bits: Word size of Python, default this interpreter's, or what `machine` implies if that is given.
    """
    if pointer_bits is None:
        pointer_bits = struct.calcsize("P") * 8 if machine is None else _bits_of(machine)
    cpuinfo = _read(root / "proc/cpuinfo").decode("utf-8", "replace")
    dmi = root / "sys/class/dmi/id"
    return Facts(
        machine=os.uname().machine if machine is None else machine,
        pointer_bits=pointer_bits,
        compatible=_texts(root / "proc/device-tree/compatible"),
        model=_text(root / "proc/device-tree/model"),
        dmi_vendor=_text(dmi / "sys_vendor"),
        dmi_product=_text(dmi / "product_name"),
        cpu_flags=_cpu_flags(cpuinfo),
        cores=len(re.findall(r"^processor\s*:", cpuinfo, re.MULTILINE)) or None,
        memory_bytes=_memory_bytes(root / "proc/meminfo"),
    )


def _bits_of(machine: str) -> int:
    return 32 if any(fnmatchcase(machine, pattern) for pattern in _MACHINES_OF_32_BITS) else 64


def _cpu_flags(cpuinfo: str) -> frozenset[str]:
    # "flags" on x86, "Features" on ARM. Cores may differ; a kernel may run on any of them.
    of_cores = [set(line.split()) for line in re.findall(r"^(?:flags|Features)\s*:(.*)$", cpuinfo, re.MULTILINE)]
    return _FLAGS.intersection(*of_cores) if of_cores else frozenset()


def _memory_bytes(path: Path) -> int | None:
    found = re.search(rb"^MemTotal:\s*(\d{1,12}) kB", _read(path), re.MULTILINE)
    return int(found[1]) * 1024 if found else None


def _text(path: Path) -> str | None:
    return next(iter(_texts(path)), None)


def _texts(path: Path) -> tuple[str, ...]:
    # Strings of a device tree end with NUL, those of DMI with a newline.
    parts = (_printable(part) for part in _read(path).split(b"\0"))
    return tuple(part for part in parts if part)


def _printable(raw: bytes) -> str:
    text = raw.decode("utf-8", "replace").strip()
    return "".join(character for character in text if character.isprintable())[:_TEXT_MAX]


def _read(path: Path) -> bytes:
    try:
        if not path.is_file():  # a pipe would wait for ever
            return b""
        with path.open("rb") as file:
            return file.read(_READ_MAX_BYTES)
    except OSError:
        return b""
