"""What channels and devices should run: chosen among published versions that their owners still allow."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from cloud_sync import layout
from cloud_sync.errors import Refused
from cloud_sync.gates import check as check_gates
from cloud_sync.registry import repository
from cloud_sync.registry.errors import UnknownName
from cloud_sync.registry.state import versions
from cloud_sync.registry.state.versions import WantedRow

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cloud_sync.registry.edit import Edit
    from cloud_sync.registry.types import SubjectInfo

_KINDS = ("channel", "device")
_NOTHING = WantedRow("", "", None, None)


def assign(
    edit: Edit,
    subject: str,
    models: Mapping[str, str | None],
    *,
    replace: bool,
    gates: Mapping[str, Mapping[str, float | None]] = MappingProxyType({}),
) -> SubjectInfo:
    """Say what a subject should run and what that must show on a device, and sign it. Nothing is signed where nothing changes.

    Raises:
        UnknownName: There is no such model or version.
        Refused: The subject is none, the version was yanked, or is below `min_release`; or a gate makes no sense.
    """
    check_subject(subject)
    there = versions.wanted_by(edit.tx, subject)
    asked = dict(models)
    if replace:
        asked.update({model: None for model in there if model not in models})
    changed: dict[str, str | None] = {}
    rows: list[WantedRow] = []
    for model in (*asked, *(model for model in gates if model not in asked)):
        old = there.get(model, WantedRow(subject, model, None, None))
        version = asked.get(model, old.version)
        if model in asked and version is not None:
            check_version(edit, model, version)
        new = old._replace(version=version, gates=_gates(old, version, gates.get(model, {})))
        if version != old.version:
            changed[model] = version
            new = new._replace(previous=old.version or old.previous)
        if new != old:
            rows.append(new)
    known = versions.subject(edit.tx, subject)
    if known is not None and not rows:
        return known
    if known is None:
        # The row that the others point at.
        versions.set_subject(edit.tx, subject, 0, edit.now, edit.now)
    for row in rows:
        versions.set_wanted(edit.tx, row)
    edit.sign_assignment(subject)
    of_gates = {row.model: dict(row.gates) for row in rows if row.gates != there.get(row.model, _NOTHING).gates}
    edit.log("assign", subject, models=changed, **({"gates": of_gates} if of_gates else {}))
    return _known(edit, subject)


def _gates(old: WantedRow, version: str | None, said: Mapping[str, float | None]) -> dict[str, float]:
    """The gates of a model from now on: those that were not named stay, those without a value go, and all with the model.

    Raises:
        Refused: One makes no sense, or there is no version that it could be about.
    """
    check_gates(said)
    if version is not None:
        held = {**old.gates, **said}
        return {name: value if value % 1 else int(value) for name, value in held.items() if value is not None}
    if any(value is not None for value in said.values()):
        raise Refused(
            f"{old.subject} names no version of {old.model}, which gates could be for", hint="name one with them"
        )
    return {}


def take_back(edit: Edit, model: str, version: str) -> dict[str, str | None]:
    """Nobody should run a yanked version any more: who did returns to the version before, if that may run.

    Returns:
        Subject → version, or None where it names none of this model now.
    """
    returned: dict[str, str | None] = {}
    for row in versions.wanting(edit.tx, model, version):
        if row.version != version:
            versions.set_wanted(edit.tx, row._replace(previous=None))
            continue
        to = row.previous if row.previous and _may_run(edit, model, row.previous) else None
        versions.set_wanted(edit.tx, row._replace(version=to, previous=None))
        edit.sign_assignment(row.subject, before=True)
        returned[row.subject] = to
    return returned


def check_subject(subject: str) -> None:
    """Whether it is a subject.

    Raises:
        Refused: It is none.
    """
    kind, _, name = subject.partition(":")
    if kind not in _KINDS or not layout.is_name(name):
        raise Refused(f"{subject!r} is no subject", hint="channel:<name> or device:<id>")


def check_version(edit: Edit, model: str, version: str) -> None:
    """Whether a version may be assigned.

    Raises:
        UnknownName: There is none.
        Refused: It was yanked, or is below `min_release`.
    """
    info = versions.version(edit.tx, model, version)
    if info is None:
        raise UnknownName(f"there is no version {version} of {model}", hint=f"`lineside registry models show {model}`")
    if info.state == "yanked":
        raise Refused(f"{model} {version} was yanked", hint="publish a version that is mended")
    if not _may_run(edit, model, version):
        raise Refused(f"{model} {version} is below the least release that its owners allow", hint="choose a later one")


def _may_run(edit: Edit, model: str, version: str) -> bool:
    info, role = versions.version(edit.tx, model, version), edit.model_role(model)
    if info is None or role is None or info.state != "published":
        return False
    return info.release >= repository.min_release(role)


def _known(edit: Edit, subject: str) -> SubjectInfo:
    found = versions.subject(edit.tx, subject)
    if found is None:
        raise UnknownName(f"nothing was ever assigned to {subject}")
    return found
