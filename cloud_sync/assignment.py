"""Assignments: what a device or a channel should run, signed by the registry's online key (design, section 4.5).

Rules only: bytes, keys, floors and times go in, an assignment or the reason to refuse it comes out. Whoever calls keeps the floor of what was
accepted. An assignment chooses among manifests that the models' owners signed; that they did is for the caller to look up.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from securesystemslib.signer import Key

from cloud_sync import envelope, layout
from cloud_sync.errors import (
    AssignmentExpired,
    AssignmentForeign,
    AssignmentInvalid,
    AssignmentReplayed,
    MetadataInvalid,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

SCHEMA = "lineside.assignment/1"
KEYS_SCHEMA = "lineside.keys/1"
MAX_BYTES = 1 << 20
"""Of an assignment, and of the list of keys."""
_MOST_MODELS = 1000
_MOST_GATES = 100
_DECIMALS = 12
_DECIMAL = re.compile(rf"[0-9]{{1,16}}(\.[0-9]{{1,{_DECIMALS}}})?")
_LARGEST_COUNTER = 2**53 - 1
"""What every reader of JSON takes."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """The version of one model that should run.

    Attributes:
        manifest: TUF target of its manifest.
        sha256: Of the manifest, in hexadecimal.
        gates: What it must show on a device before it counts there, by name; a device passes over what it does not know.
    """

    manifest: str
    sha256: str
    gates: Mapping[str, float] = field(default_factory=dict)

    @property
    def version(self) -> str:
        """As it stands in the name of the target."""
        found = layout.of_manifest_target(self.manifest)
        return found[1] if found else ""


@dataclass(frozen=True, slots=True)
class Assignment:
    """What a subject should run.

    Attributes:
        subject: `device:<id>` or `channel:<name>`.
        counter: Rises with each assignment of the subject.
        issued_at: When it was signed.
        expires: From when on it says nothing any more.
        models: By name; those that are not here are not touched.
    """

    subject: str
    counter: int
    issued_at: datetime
    expires: datetime
    models: Mapping[str, Wanted]

    def as_dict(self) -> dict[str, Any]:
        """What is signed."""
        return {
            "schema": SCHEMA,
            "subject": self.subject,
            "counter": self.counter,
            "issued_at": _written(self.issued_at),
            "expires": _written(self.expires),
            "models": {
                name: {"manifest": w.manifest, "sha256": w.sha256, **({"gates": _signable(w.gates)} if w.gates else {})}
                for name, w in self.models.items()
            },
        }


@dataclass(frozen=True, slots=True)
class CounterFloor:
    """The highest counter that was accepted of a subject under one key.

    Attributes:
        keyid: The key that signed it.
        counter: Its counter.
        sha256: Of what was signed: a counter stands for one content.
    """

    keyid: str
    counter: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Accepted:
    """An assignment that may be followed, and what to remember of it."""

    assignment: Assignment
    floor: CounterFloor


def read_keys(content: bytes) -> dict[str, Key]:
    """The keys that may sign assignments: the content of the target `keys/assignment.json`, whose signature was verified.

    Raises:
        AssignmentInvalid: It is no such list.
    """
    try:
        data = json.loads(content)
        _need(data["schema"] == KEYS_SCHEMA, f"schema {data['schema']!r}")
        return {str(keyid): Key.from_dict(keyid, entry) for keyid, entry in data["keys"].items()}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise AssignmentInvalid(
            f"{layout.ASSIGNMENT_KEYS} is no list of keys: {type(error).__name__} {error}"
        ) from error


def write_keys(keys: Iterable[Key]) -> bytes:
    """The content of `keys/assignment.json`."""
    listed = {key.keyid: key.to_dict() for key in keys}
    return json.dumps({"schema": KEYS_SCHEMA, "keys": listed}, indent=1, sort_keys=True).encode() + b"\n"


def accept(
    content: bytes,
    *,
    keys: Mapping[str, Key],
    subject: str,
    floors: Iterable[CounterFloor] = (),
    now: datetime,
    metadata_until: datetime,
) -> Accepted:
    """Decide whether an assignment may be followed.

    A floor counts as long as its key may sign. So an older assignment is refused whichever valid key signed it, and the counter of a stolen
    key that ran far ahead is forgotten when that key is replaced.

    Args:
        content: The file, at most `MAX_BYTES`.
        keys: Who may sign, by key id.
        subject: Whose assignment was asked for.
        floors: What was accepted of this subject before, one a key.
        now: Not earlier than any verified time that was seen.
        metadata_until: Expiry of the verified timestamp. An assignment issued later would let a stolen assignment key push the clock's floor
            to where everything has expired.

    Raises:
        SignatureInvalid: None of the keys has signed it.
        AssignmentInvalid: It cannot be read, or says something impossible.
        AssignmentForeign: It is of another subject.
        AssignmentReplayed: Its counter lies below one that was accepted, or is one that was accepted of other content.
        AssignmentExpired: It is out of date.
    """
    what = f"the assignment of {subject}"
    if len(content) > MAX_BYTES:
        raise AssignmentInvalid(f"{what} is larger than {MAX_BYTES} bytes")
    try:
        signed, keyid = envelope.opened(content, keys, what=what)
    except MetadataInvalid as error:
        raise AssignmentInvalid(str(error)) from error
    found = _read(signed, what)
    if found.subject != subject:
        raise AssignmentForeign(f"{what} is that of {found.subject}", hint="does a mirror mix up its files?")
    if found.issued_at > metadata_until:
        raise AssignmentInvalid(
            f"{what} was issued {_written(found.issued_at)}, after the registry's timestamp expires",
            hint="is the clock of the registry wrong, or its assignment key stolen?",
        )
    if found.expires <= now:
        raise AssignmentExpired(
            f"{what} expired {_written(found.expires)}", hint="does the registry still sign? is the clock right?"
        )
    mine = CounterFloor(keyid, found.counter, _sha256(signed))
    for floor in floors:
        if floor.keyid in keys and _is_older(mine, floor):
            raise AssignmentReplayed(
                f"{what} has counter {found.counter}, and {floor.counter} was accepted before",
                hint="a mirror that serves old files, or an attack; after a restore of the registry: rotate its assignment key",
            )
    return Accepted(found, mine)


def _is_older(found: CounterFloor, floor: CounterFloor) -> bool:
    is_other = found.counter == floor.counter and found.sha256 != floor.sha256
    return found.counter < floor.counter or is_other


def _read(signed: Mapping[str, Any], what: str) -> Assignment:
    try:
        counter, models = signed["counter"], signed["models"]
        issued_at, expires = _time(signed["issued_at"]), _time(signed["expires"])
        _need(signed["schema"] == SCHEMA, f"schema {signed['schema']!r}")
        _need(type(counter) is int and 0 <= counter <= _LARGEST_COUNTER, f"counter {counter!r}")
        _need(len(models) <= _MOST_MODELS, f"more than {_MOST_MODELS} models")
        _need(issued_at < expires, "it expires before it is issued")
        wanted = {str(name): _wanted(name, entry) for name, entry in models.items()}
        return Assignment(str(signed["subject"]), counter, issued_at, expires, wanted)
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
        raise AssignmentInvalid(f"{what} makes no sense: {type(error).__name__} {error}") from error


def _wanted(name: str, entry: Mapping[str, Any]) -> Wanted:
    manifest, sha256 = entry["manifest"], entry["sha256"]
    target = layout.of_manifest_target(manifest)
    _need(target is not None and target[0] == name, f"{manifest!r} is no manifest of {name!r}")
    _need(layout.is_sha256(sha256), f"{sha256!r} is no sha256")
    gates = entry.get("gates", {})
    _need(isinstance(gates, dict) and len(gates) <= _MOST_GATES, "gates that are no table")
    return Wanted(manifest, sha256, {str(name): _gate(value) for name, value in gates.items()})


def _gate(value: Any) -> float:
    is_number = (isinstance(value, int) and not isinstance(value, bool)) or (
        isinstance(value, str) and _DECIMAL.fullmatch(value) is not None
    )
    _need(is_number and 0 <= float(value) < _LARGEST_COUNTER, "a gate that is no number")
    return float(value)


def _signable(gates: Mapping[str, float]) -> dict[str, int | str]:
    """Canonical JSON, of which signatures are made, knows no fractions: those are text, such as `"0.05"`."""
    return {
        name: int(value) if value == int(value) else f"{value:.{_DECIMALS}f}".rstrip("0")
        for name, value in gates.items()
    }


def _need(is_so: bool, otherwise: str) -> None:  # noqa: FBT001 - reads as a sentence
    if not is_so:
        raise ValueError(otherwise)


def _time(text: str) -> datetime:
    """Times are UTC, to the second or finer, and end in Z.

    Raises:
        ValueError: It is none.
    """
    _need(text.endswith("Z"), f"{text!r} is no time in UTC")
    moment = datetime.fromisoformat(text[:-1])
    _need(moment.tzinfo is None, f"{text!r} is no time in UTC")
    return moment.replace(tzinfo=timezone.utc)


def _written(moment: datetime) -> str:
    return moment.astimezone(timezone.utc).isoformat().replace("+00:00", "Z")


def _sha256(signed: Mapping[str, Any]) -> str:
    """Of the payload, not of the file: spaces between its words are nobody's business."""
    return hashlib.sha256(json.dumps(signed, sort_keys=True).encode()).hexdigest()
