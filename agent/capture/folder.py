"""Samples as files: `<folder>/<day>/<prediction id>.jpg` and `.json` (schema `lineside.sample/1`, docs/how-to/samples.md).

The JSON file is written last and removed first, each by one rename: where it is, the sample is whole. What a killed process left behind has
none, and the owner sweeps it away. Used by the agent, which owns the folder, and by `lineside samples`, with and without one.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Final, get_args

from agent.core.errors import BadData
from agent.core.sampling import Kept, Reason
from cloud_sync.atomic import sync_folder, write_atomically

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FOLDER: Final = "samples"
SCHEMA: Final = "lineside.sample/1"
_ID = re.compile(r"[0-9A-Za-z-]{1,64}")
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_MAX_BYTES: Final = 4 << 20
"""A result with a tensor may be long."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """What stands in the JSON file.

    Attributes:
        id: Of the prediction.
        pipeline: That made it.
        captured_at: Of the frame.
        kept_at: When the sample was written.
        reasons: Why, the most precious first.
        label: What a person says the frame shows; None while nobody has.
        decision: What a person says should have been decided; likewise.
        image: `sha256` and `size_bytes` of the JPEG, and its `width` and `height` in pixels.
        likeness: Hash of the picture, in hexadecimal.
        prediction: As it was published, without what belongs to the delivery.
        disagreement: What the active model and its candidate said, if they differed.
        strange: Statistics of the frame that no sample of the evaluation had.
    """

    id: str
    pipeline: str
    captured_at: str
    kept_at: str
    reasons: list[Reason]
    label: str | None = None
    decision: str | None = None
    image: dict[str, Any] = field(default_factory=dict)
    likeness: str | None = None
    prediction: dict[str, Any] | None = None
    disagreement: dict[str, Any] | None = None
    strange: dict[str, float] | None = None
    schema: str = SCHEMA

    @property
    def truth(self) -> tuple[str, str] | None:
        """`label` or `decision`, and what a person said: what may be learned from. `unsure` is no truth of a part."""
        if self.label is not None:
            return "label", self.label
        return ("decision", self.decision) if self.decision in ("accept", "reject") else None

    @property
    def day(self) -> str:
        """Of capture, UTC."""
        return self.captured_at[:10]

    def encode(self) -> bytes:
        """The content of the file."""
        return json.dumps({"schema": SCHEMA, **asdict(self)}, ensure_ascii=False).encode() + b"\n"


def decode(content: bytes) -> Sample:
    """What `Sample.encode` wrote; keys of later versions are left out.

    Raises:
        BadData: It is no sample.
    """
    try:
        data = json.loads(content)
        if data["schema"] != SCHEMA:
            raise BadData(f"it has the schema {data['schema']!r}, and {SCHEMA} was expected")
        sample = Sample(**{name: data[name] for name in Sample.__dataclass_fields__ if name in data})
        reasons_known = sample.reasons and all(reason in get_args(Reason) for reason in sample.reasons)
        if not (_ID.fullmatch(sample.id) and _DAY.fullmatch(sample.day) and reasons_known):
            raise BadData("its id, its day or its reasons are none")
        if not isinstance(sample.image.get("size_bytes"), int):
            raise BadData("it names no image")
        int(sample.likeness or "0", 16)
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise BadData(f"it cannot be read: {type(error).__name__}: {error}") from error
    return sample


class SampleFolder:
    """Reads and writes samples. No lock: one thread of the agent writes; a command only reads, or removes whole samples."""

    def __init__(self, state_dir: Path) -> None:
        self.root = state_dir / FOLDER

    def image(self, sample: Sample | Kept) -> Path:
        """Its JPEG."""
        return self.root / sample.day / f"{sample.id}.jpg"

    def document(self, sample: Sample | Kept) -> Path:
        """Its JSON file."""
        return self.root / sample.day / f"{sample.id}.json"

    def write(self, sample: Sample, jpeg: bytes) -> Kept:
        """Keep a sample.

        Raises:
            OSError: It could not be written, and nothing of it counts.
        """
        folder = self.root / sample.day
        if not folder.is_dir():
            folder.mkdir(parents=True, exist_ok=True)
            sync_folder(self.root)
        write_atomically(self.image(sample), jpeg)
        return self.rewrite(sample)

    def rewrite(self, sample: Sample) -> Kept:
        """Replace the JSON file of a sample.

        Raises:
            OSError: It could not be written; the old one is as it was.
        """
        content = sample.encode()
        write_atomically(self.document(sample), content)
        return _kept(sample, len(content))

    def read(self, kept: Kept) -> Sample:
        """The JSON file of a sample.

        Raises:
            BadData: It is no sample.
            OSError: It cannot be read.
        """
        return _read(self.document(kept))[0]

    def remove(self, kept: Kept | Sample) -> None:
        """Forget a sample; one that is not there is gone already.

        Raises:
            OSError: It cannot be removed.
        """
        self.document(kept).unlink(missing_ok=True)
        self.image(kept).unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # not empty
            self.document(kept).parent.rmdir()

    def samples(self) -> Iterator[Sample]:
        """All that are whole, oldest day first. What vanishes meanwhile or is no sample is left out."""
        return (sample for sample, _ in self._whole())

    def scan(self) -> dict[str, Kept]:
        """All that are whole, by id; see `samples`."""
        return {sample.id: _kept(sample, size) for sample, size in self._whole()}

    def _whole(self) -> Iterator[tuple[Sample, int]]:
        for path in self._files():
            if path.suffix == ".json" and not path.name.startswith("."):
                with contextlib.suppress(OSError, BadData):
                    sample, size_bytes = _read(path)
                    if path == self.document(sample) and self.image(sample).is_file():
                        yield sample, size_bytes

    def sweep(self) -> int:
        """Remove halves of samples and files half written; for the owner alone, while it writes nothing. How many files went.

        Raises:
            OSError: Something cannot be removed.
        """
        left = [path for path in self._files() if path.name.startswith(".") or not _twin(path).exists()]
        for path in left:
            path.unlink(missing_ok=True)
        return len(left)

    def changed_ns(self) -> int:
        """Changes when a command removed samples; 0 where there is no folder."""
        try:
            return self.root.stat().st_mtime_ns
        except OSError:
            return 0

    def touch(self) -> None:
        """Have the agent look again at what is here."""
        with contextlib.suppress(OSError):
            os.utime(self.root)

    def _files(self) -> Iterator[Path]:
        """In the folders of days, which hold nothing else."""
        with contextlib.suppress(FileNotFoundError):
            for day in sorted(self.root.iterdir()):
                if _DAY.fullmatch(day.name) and day.is_dir():
                    with contextlib.suppress(FileNotFoundError):
                        yield from sorted(path for path in day.iterdir() if path.is_file())


def _twin(path: Path) -> Path:
    return path.with_suffix(".json" if path.suffix == ".jpg" else ".jpg")


def image_facts(jpeg: bytes, height: int, width: int) -> dict[str, Any]:
    """What a sample says of its picture."""
    return {
        "sha256": hashlib.sha256(jpeg).hexdigest(),
        "size_bytes": len(jpeg),
        "width": width,
        "height": height,
    }


def _read(path: Path) -> tuple[Sample, int]:
    with path.open("rb") as file:
        content = file.read(_MAX_BYTES)
    return decode(content), len(content)


def _kept(sample: Sample, document_bytes: int) -> Kept:
    return Kept(
        id=sample.id,
        day=sample.day,
        reasons=tuple(sample.reasons),
        size_bytes=sample.image["size_bytes"] + document_bytes,
        pipeline=sample.pipeline,
        likeness=None if sample.likeness is None else int(sample.likeness, 16),
    )
