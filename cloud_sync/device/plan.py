"""What is to be done, as a pure function of what was verified and what is here.

An assignment only chooses. Whether a version may run on this device is for its owners to say: it must be a target of theirs, with the very
digest that was assigned, for this hardware, and not below the release that they still allow.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from cloud_sync import layout
from cloud_sync.errors import (
    BelowMinRelease,
    CloudSyncError,
    HardwareUnfit,
    ManifestForeign,
    MetadataInvalid,
    NotAssigned,
    VersionRejected,
    VersionYanked,
)
from cloud_sync.manifest import Manifest, decode
from cloud_sync.store.records import Rejection, Version

if TYPE_CHECKING:
    from collections.abc import Mapping
    from collections.abc import Set as AbstractSet

    from cloud_sync.assignment import Wanted
    from cloud_sync.trust.targets import ModelDelegation, Target


@dataclass(frozen=True, slots=True)
class StoreState:
    """What is here.

    Attributes:
        active: What each model runs.
        staged: What is ready to be next.
        rejected: What did not prove itself.
        digests: Of all versions that lie in the store.
    """

    active: Mapping[str, Version] = field(default_factory=dict)
    staged: Mapping[str, Version] = field(default_factory=dict)
    rejected: Mapping[str, Rejection] = field(default_factory=dict)
    digests: AbstractSet[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Fetch:
    """A version that is wanted, allowed, and not here yet.

    Attributes:
        version: Which.
        target: Its manifest.
    """

    version: Version
    target: str


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be done for each model.

    Attributes:
        current: Models that run what they should.
        ready: Versions that lie here already and are to be next.
        fetches: Versions to fetch.
        keep: Versions that stay staged, though what is assigned now was refused or is not known.
        refusals: Why a model stays as it is.
        forgiven: Models whose rejected version is not the assigned one any more.
    """

    current: Mapping[str, Version] = field(default_factory=dict)
    ready: Mapping[str, Version] = field(default_factory=dict)
    fetches: tuple[Fetch, ...] = ()
    keep: Mapping[str, Version] = field(default_factory=dict)
    refusals: Mapping[str, CloudSyncError] = field(default_factory=dict)
    forgiven: frozenset[str] = frozenset()


def decide(
    wanted: Mapping[str, Wanted | CloudSyncError],
    delegations: Mapping[str, ModelDelegation | CloudSyncError | None],
    hardware: AbstractSet[str],
    here: StoreState,
) -> Plan:
    """Decide for each model on its own; a fault of one is none of another.

    Args:
        wanted: What is assigned to each model, or why that is not known.
        delegations: What the owners of each of these models signed, None for no owners, or why that is not known.
        hardware: Tags of this device.
        here: The store.
    """
    current, ready, keep, refusals = (
        dict[str, Version](),
        dict[str, Version](),
        dict[str, Version](),
        dict[str, CloudSyncError](),
    )
    fetches, forgiven = list[Fetch](), set[str]()
    for name in sorted(wanted):
        chosen, delegation = wanted[name], delegations.get(name)
        try:
            version = _allowed(name, _or_raise(chosen), _or_raise(delegation), hardware)
        except CloudSyncError as error:
            refusals[name] = error
            if name in here.staged and _may_stay(here.staged[name], delegation, hardware):
                keep[name] = here.staged[name]
            continue
        rejection = here.rejected.get(name)
        if name in here.active and here.active[name].digest == version.digest:
            current[name] = version
        elif rejection is not None and _holds(rejection, version, wanted):
            of_others = " or ".join(other.name for other in rejection.fault_of)
            refusals[name] = VersionRejected(
                f"{name} {version.version} was tried on this device: {rejection.reason}",
                hint=f"assign another version{of_others and f' of {of_others}'}",
            )
            continue
        elif version.digest in here.digests:
            ready[name] = version
        else:
            fetches.append(Fetch(version, layout.manifest_target(name, version.version)))
        if rejection is not None and not _holds(rejection, version, wanted):
            forgiven.add(name)
    return Plan(current, ready, tuple(fetches), keep, refusals, frozenset(forgiven))


def _holds(rejection: Rejection, version: Version, wanted: Mapping[str, Wanted | CloudSyncError]) -> bool:
    """Whether a version is not to be tried again; one without a fault of its own is, when it comes with something else than before."""
    return rejection.digest == version.digest and not any(
        _is_another(wanted.get(other.name), other) for other in rejection.fault_of
    )


def _is_another(wanted: Wanted | CloudSyncError | None, before: Version) -> bool:
    """Whether a model is to run something else than before, as far as that is known."""
    if isinstance(wanted, CloudSyncError):
        return isinstance(wanted, NotAssigned)
    return wanted is None or wanted.sha256 != before.digest


def check_manifest(content: bytes, version: Version) -> Manifest:
    """The manifest that was fetched and verified for a version.

    Raises:
        ManifestInvalid: It cannot be read, or names files outside its folder.
        ManifestForeign: It is of another model or version.
    """
    found = decode(content, what=f"the manifest of {version.name} {version.version}")
    if (found.name, found.version) != (version.name, version.version):
        raise ManifestForeign(
            f"the manifest of {version.name} {version.version} says that it is of {found.name} {found.version}"[:300],
            hint="its owners published something wrong",
        )
    return found


def _or_raise(value: Any) -> Any:
    if isinstance(value, CloudSyncError):
        raise value
    return value


def _allowed(name: str, wanted: Wanted, delegation: ModelDelegation | None, hardware: AbstractSet[str]) -> Version:
    target = delegation.targets.get(wanted.manifest) if delegation else None
    if delegation is None or target is None:
        raise VersionYanked(
            f"{name} {wanted.version} is assigned, and its owners do not publish it (any more)",
            hint="assign another version; who assigned this one?",
        )
    if target.sha256 != wanted.sha256:
        raise ManifestForeign(
            f"{name} {wanted.version} is assigned with another manifest than its owners signed",
            hint="who assigned it? is the assignment key stolen?",
        )
    _fits(f"{name} {wanted.version}", target, delegation.min_release, hardware)
    return Version(name, wanted.version, wanted.sha256, wanted.gates)


def _fits(title: str, target: Target, min_release: int, hardware: AbstractSet[str]) -> None:
    release, tags = target.custom.get("release"), target.custom.get("hardware", [])
    if not isinstance(release, int) or isinstance(release, bool) or release < 1:
        raise MetadataInvalid(f"{title} has no sensible release", hint="its owners published something wrong")
    if not isinstance(tags, list) or not all(isinstance(tag, str) for tag in tags):
        raise MetadataInvalid(f"{title} has no sensible hardware", hint="its owners published something wrong")
    if release < min_release:
        raise BelowMinRelease(
            f"{title} is release {release}, and its owners allow none below {min_release}",
            hint="assign a later version",
        )
    if tags and hardware.isdisjoint(tags):
        raise HardwareUnfit(
            f"{title} is for {', '.join(tags)}; this device is {', '.join(sorted(hardware)) or 'nothing known'}"[:300],
            hint="assign a version for this hardware, or set device.profile",
        )


def _may_stay(
    version: Version, delegation: ModelDelegation | CloudSyncError | None, hardware: AbstractSet[str]
) -> bool:
    """Whether what was staged before is still allowed. What its owners say now is not known where the metadata is at fault."""
    if isinstance(delegation, CloudSyncError):
        return True
    target = delegation.targets.get(layout.manifest_target(version.name, version.version)) if delegation else None
    if delegation is None or target is None or target.sha256 != version.digest:
        return False
    try:
        _fits(version.version, target, delegation.min_release, hardware)
    except CloudSyncError:
        return False
    return True
