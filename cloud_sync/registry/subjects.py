"""What channels and devices should run: chosen among published versions that their owners still allow."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloud_sync import layout
from cloud_sync.errors import Refused
from cloud_sync.registry import repository
from cloud_sync.registry.errors import UnknownName
from cloud_sync.registry.state import versions
from cloud_sync.registry.state.versions import WantedRow

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cloud_sync.registry.edit import Edit
    from cloud_sync.registry.types import SubjectInfo

_KINDS = ("channel", "device")


def assign(edit: Edit, subject: str, models: Mapping[str, str | None], *, replace: bool) -> SubjectInfo:
    """Say what a subject should run, and sign it. Nothing is signed where nothing changes.

    Raises:
        UnknownName: There is no such model or version.
        Refused: The subject is none, the version was yanked, or is below `min_release`.
    """
    check_subject(subject)
    there = versions.wanted_by(edit.tx, subject)
    asked = dict(models)
    if replace:
        asked.update({model: None for model in there if model not in models})
    changed: dict[str, str | None] = {}
    for model, version in asked.items():
        if version is not None:
            check_version(edit, model, version)
        old = there.get(model, WantedRow(subject, model, None, None))
        if version != old.version:
            changed[model] = version
    known = versions.subject(edit.tx, subject)
    if known is not None and not changed:
        return known
    if known is None:
        # The row that the others point at.
        versions.set_subject(edit.tx, subject, 0, edit.now, edit.now)
    for model, version in changed.items():
        old = there.get(model, WantedRow(subject, model, None, None))
        versions.set_wanted(edit.tx, WantedRow(subject, model, version, old.version or old.previous))
    edit.sign_assignment(subject)
    edit.log("assign", subject, models=changed)
    return _known(edit, subject)


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
        versions.set_wanted(edit.tx, WantedRow(row.subject, model, to, None))
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
