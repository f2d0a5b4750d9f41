"""Golden outputs: what the model answered when its bundle was packed, and whether it answers so here (`lineside.recorded/1`).

Golden samples say whether answers are right; recorded outputs say whether this runtime, delegate and machine compute what the publisher's
did, long before an answer turns wrong. They lie as `recorded.json` and `recorded.npz` beside the golden samples.

How much may differ: 8-bit kernels of another machine round in another order. The same model and photo on x86 and on arm64 differed by up to 6 of
255 codes and on armhf by up to 12, two sets of x86 kernels by as much as the former; reference kernels agree to the byte. So the tolerance is none between
reference kernels, 8 codes where runtime, delegate and machine are the same, else 16, as a share of the output's range: 255 codes, or for real
outputs what was recorded from least to most. One sample in twenty may lie outside, as a tie can go the other way.
"""

from __future__ import annotations

import io
import json
import platform
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Final
from zipfile import BadZipFile

import numpy as np

from agent.core.errors import ModelRefused
from cloud_sync.atomic import write_atomically

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt

    from agent.models.bundle import Bundle
    from agent.models.samples import Sample

SCHEMA: Final = "lineside.recorded/1"
_JSON, _ARRAYS = "recorded.json", "recorded.npz"
_MOST_BYTES: Final = 4 << 20
"""Of recorded outputs: of a model with large ones, fewer samples are recorded."""
_SCORES_OF_SSD: Final = 2


@dataclass(frozen=True, slots=True)
class Tolerance:
    """How much may differ, as shares of the output's range. It travels with the recording, so that it is judged as it was meant.

    Attributes:
        same: Where runtime, delegate and machine are those of the recording.
        other: Elsewhere.
        least_agreeing: Share of the samples that must be within it.
    """

    same: float = 0.032
    other: float = 0.063
    least_agreeing: float = 0.95


@dataclass(frozen=True, slots=True)
class Recording:
    """Raw outputs to golden samples.

    Attributes:
        runtime: Such as `litert 2.3.0`.
        delegate: Such as `xnnpack`.
        machine: Such as `x86_64`.
        model_sha256: Of the .tflite file.
        files: Names of the samples.
        outputs: Place among the model's outputs → [samples, …] in the tensor's own type.
        tolerance: That holds against it.
    """

    runtime: str
    delegate: str
    machine: str
    model_sha256: str
    files: tuple[str, ...]
    outputs: dict[int, npt.NDArray[Any]]
    tolerance: Tolerance = field(default_factory=Tolerance)

    @property
    def made_with(self) -> str:
        """For messages."""
        return f"{self.runtime}, {self.delegate}, {self.machine}"


@dataclass(frozen=True, slots=True)
class Agreement:
    """How far outputs agree with recorded ones.

    Attributes:
        samples: That both have.
        agreeing: How many of them are within the tolerance in every value.
        largest: Difference, as a share of the output's range.
        tolerance: Likewise.
        least_agreeing: Share of the samples that must agree.
    """

    samples: int
    agreeing: int
    largest: float
    tolerance: float
    least_agreeing: float
    recorded_with: str
    here_with: str

    @property
    def holds(self) -> bool:
        """Whether enough samples agree."""
        return self.samples > 0 and self.agreeing >= self.least_agreeing * self.samples


class Recorder:
    """Keeps outputs while golden samples are judged, up to a bound."""

    def __init__(self, bundle: Bundle, runtime: str, delegate: str) -> None:
        spec = bundle.spec
        # Boxes and classes of an SSD change places where two scores are as good as equal; its scores stay in order.
        place = (
            (spec.output.tensors or [0, 1, _SCORES_OF_SSD, 3])[_SCORES_OF_SSD] if spec.output.decode == "ssd" else None
        )
        self._only = None if place is None else {place}
        self._made = (runtime, delegate, platform.machine(), bundle.model_sha256 or "")
        self._files: list[str] = []
        self._outputs: list[dict[int, npt.NDArray[Any]]] = []
        self._size_bytes = 0

    def seen(self, sample: Sample, outputs: list[npt.NDArray[Any]]) -> None:
        """Keep what belongs to a sample, unless the bound is reached."""
        kept = {k: output for k, output in enumerate(outputs) if self._only is None or k in self._only}
        size_bytes = sum(output.nbytes for output in kept.values())
        if self._size_bytes + size_bytes > _MOST_BYTES:
            self._size_bytes = _MOST_BYTES
            return
        self._size_bytes += size_bytes
        self._files.append(f"{sample.path.parent.name}/{sample.path.name}")
        self._outputs.append({k: np.array(output) for k, output in kept.items()})

    def recording(self) -> Recording | None:
        """What was kept; None without samples, and for outputs whose shape differs from sample to sample."""
        if not self._files or any(len({each[k].shape for each in self._outputs}) > 1 for k in self._outputs[0]):
            return None
        stacked = {k: np.stack([each[k] for each in self._outputs]) for k in self._outputs[0]}
        return Recording(*self._made, tuple(self._files), stacked)


def compare(before: Recording, here: Recording) -> Agreement:
    """Whether outputs agree, sample by sample.

    Args:
        before: When the bundle was packed.
        here: Now.
    """
    places = {name: k for k, name in enumerate(here.files)}
    pairs = [(k, places[name]) for k, name in enumerate(before.files) if name in places]
    shares = np.zeros(len(pairs))
    for output, recorded in before.outputs.items():
        found = here.outputs.get(output)
        if found is None or found.shape[1:] != recorded.shape[1:] or found.dtype != recorded.dtype:
            shares[:] = np.inf
            continue
        for row, (k, other) in enumerate(pairs):
            shares[row] = max(shares[row], _difference(recorded[k], found[other], _span(recorded)))
    tolerance = _tolerance(before, here)
    agreeing = int(np.sum(shares <= tolerance))
    largest = float(shares.max()) if pairs else 0.0
    least = before.tolerance.least_agreeing
    return Agreement(len(pairs), agreeing, largest, tolerance, least, before.made_with, here.made_with)


def write_recording(folder: Path, recording: Recording) -> None:
    """Write `recorded.json` and `recorded.npz` into the folder of the golden samples.

    Raises:
        OSError: It could not be written.
    """
    content = {
        "schema": SCHEMA,
        "runtime": recording.runtime,
        "delegate": recording.delegate,
        "machine": recording.machine,
        "model_sha256": recording.model_sha256,
        "tolerance": asdict(recording.tolerance),
        "files": list(recording.files),
    }
    arrays = io.BytesIO()
    np.savez_compressed(arrays, **{f"output_{k}": output for k, output in recording.outputs.items()})  # type: ignore[arg-type]
    write_atomically(folder / _ARRAYS, arrays.getvalue())
    write_atomically(folder / _JSON, json.dumps(content, ensure_ascii=False, indent=1).encode() + b"\n")


def read_recording(bundle: Bundle) -> Recording | None:
    """What was recorded when a bundle was packed; None where nothing was.

    Raises:
        ModelRefused: It cannot be read, or is of another model.
    """
    if bundle.folder is None or bundle.spec.golden is None:
        return None
    folder = bundle.folder / bundle.spec.golden.folder
    if not (folder / _JSON).is_file():
        return None
    again = f"lineside model pack {bundle.folder}"
    try:
        said = json.loads((folder / _JSON).read_bytes())
        schema = said["schema"]
        with np.load(folder / _ARRAYS, allow_pickle=False) as arrays:
            outputs = {int(name.removeprefix("output_")): arrays[name] for name in arrays.files}
        runtime, delegate, machine, sha256 = (
            str(said[key]) for key in ("runtime", "delegate", "machine", "model_sha256")
        )
        tolerance = Tolerance(**{key: float(value) for key, value in said["tolerance"].items()})
        recording = Recording(runtime, delegate, machine, sha256, tuple(map(str, said["files"])), outputs, tolerance)
    except (OSError, ValueError, LookupError, TypeError, AttributeError, EOFError, BadZipFile) as error:
        raise ModelRefused(f"{folder / _JSON} cannot be read: {type(error).__name__} {error}", hint=again) from error
    if schema != SCHEMA:
        raise ModelRefused(f"{folder / _JSON} has schema {schema!r}, this version reads {SCHEMA!r}", hint=again)
    if any(len(output) != len(recording.files) for output in outputs.values()):
        raise ModelRefused(f"{folder / _JSON} names another number of samples than {_ARRAYS} holds", hint=again)
    if bundle.model_sha256 not in (None, recording.model_sha256):
        raise ModelRefused(f"{folder / _JSON} was recorded of another model file", hint=again)
    return recording


def _tolerance(before: Recording, here: Recording) -> float:
    if before.delegate == here.delegate == "none":
        return 0.0 if all(output.dtype.kind in "iu" for output in before.outputs.values()) else before.tolerance.same
    same = (before.runtime, before.delegate, before.machine) == (here.runtime, here.delegate, here.machine)
    return before.tolerance.same if same else before.tolerance.other


def _span(recorded: npt.NDArray[Any]) -> float:
    """The range that differences are shares of."""
    if recorded.dtype.kind in "iu":
        limits = np.iinfo(recorded.dtype)
        return float(limits.max - limits.min)
    finite = recorded[np.isfinite(recorded)]
    spread = float(finite.max() - finite.min()) if finite.size else 0.0
    return spread or float(np.abs(finite).max(initial=0.0)) or 1.0


def _difference(recorded: npt.NDArray[Any], found: npt.NDArray[Any], span: float) -> float:
    """The largest difference; of numbers that are none, only the same agree."""
    if recorded.dtype.kind == "f" and not np.array_equal(np.isfinite(recorded), np.isfinite(found)):
        return float("inf")
    with np.errstate(invalid="ignore"):  # infinite less infinite
        gaps = np.abs(np.subtract(recorded, found, dtype=np.float64))
    return float(np.nanmax(gaps, initial=0.0)) / span
