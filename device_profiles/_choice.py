"""The rule that finds the profile of a machine. Pure: facts and profiles in, a name and its reason out."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from device_profiles._facts import Facts
    from device_profiles._profile import Match, Profile


def choose(facts: Facts, profiles: Sequence[Profile]) -> tuple[str, str]:
    """The name of the profile that fits `facts`, and the reason as one sentence for a person.

    The device tree is asked before DMI, and its most specific string first. A profile that knows the device but not this
    Python or CPU is passed over. Where no device is known, the generic profile of the word size is the answer.

    Raises:
        LookupError: `profiles` has no generic one of this word size; the shipped ones have.
    """
    reason = "neither the device tree nor DMI names a device that a profile knows"
    for profile, sign in _recognized(facts, profiles):
        obstacle = _obstacle(facts, profile.match)
        if obstacle is None:
            return profile.name, sign
        reason = f"{sign}, but the profile {profile.name} {obstacle}"
    for profile in profiles:
        if profile.match.is_generic and _obstacle(facts, profile.match) is None:
            return profile.name, f"{reason}: taking what any {facts.pointer_bits}-bit machine can do"
    raise LookupError(
        f"no generic profile for {facts.pointer_bits} bits among {[profile.name for profile in profiles]}"
    )


def _recognized(facts: Facts, profiles: Sequence[Profile]) -> Iterator[tuple[Profile, str]]:
    model = f" ({facts.model})" if facts.model else ""
    for compatible in facts.compatible:
        for profile in profiles:
            if any(fnmatchcase(compatible, pattern) for pattern in profile.match.compatible):
                yield profile, f"the device tree says {compatible}{model}"
    vendor, product = facts.dmi_vendor or "", facts.dmi_product or ""
    for profile in profiles:
        for pattern in profile.match.dmi:
            if _alike(vendor, pattern.vendor) and _alike(product, pattern.product):
                yield profile, f"DMI says {vendor} {product}".rstrip()


def _alike(text: str, pattern: str) -> bool:
    return fnmatchcase(text.casefold(), pattern.casefold())


def _obstacle(facts: Facts, match: Match) -> str | None:
    """Why the profile does not fit, or None if it does."""
    if match.bits != facts.pointer_bits:
        return f"is for a {match.bits}-bit Python and this one has {facts.pointer_bits} bits"
    if match.machines and facts.machine not in match.machines:
        return f"is for {' or '.join(match.machines)}"
    if lacking := [flag for flag in match.cpu_flags if flag not in facts.cpu_flags]:
        return f"needs a CPU with {' and '.join(lacking)}"
    return None
