"""Detection as a whole: reads the facts, chooses, and loads. `profile = "auto"`, `init` and `doctor` call it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from device_profiles._choice import choose
from device_profiles._facts import Facts, read_facts
from device_profiles._loader import load, names

if TYPE_CHECKING:
    from device_profiles._profile import Profile


@dataclass(frozen=True, slots=True)
class Detection:
    """What this machine is, and how we know."""

    profile: Profile
    why: str
    """One sentence for a person, such as "the device tree says raspberrypi,5-model-b (Raspberry Pi 5 Model B Rev 1.0)"."""
    facts: Facts
    """What was read."""


def detect(root: Path = Path("/"), *, machine: str | None = None, pointer_bits: int | None = None) -> Detection:
    """The profile of the machine whose files lie under `root`. Never fails: what is unknown gets a generic profile.

    Args:
        root: `/`, or a recorded tree.
        machine: Architecture as uname(2) names it, default this machine's; needed for a recorded tree.
        pointer_bits: 32 or 64, default as in `read_facts()`; 32 with `aarch64` is a 32-bit system on a 64-bit kernel.
    """
    facts = read_facts(root, machine=machine, pointer_bits=pointer_bits)
    name, why = choose(facts, [load(known) for known in names()])
    return Detection(load(name), why, facts)
