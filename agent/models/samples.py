"""Samples with their expected answer, in a folder per label or in a table: golden ones, those of an evaluation, captured ones."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import cv2
import numpy as np

from agent.core.errors import ModelRefused, NotTrusted
from cloud_sync.manifest import file_sha256

if TYPE_CHECKING:
    import numpy.typing as npt

LABELS = "labels.csv"


@dataclass(frozen=True, slots=True)
class Sample:
    """One input with its expected answer.

    Attributes:
        path: A picture that cv2 reads, or a .npy array.
        expected: A label or a decision.
        by: Which of the two.
    """

    path: Path
    expected: str
    by: Literal["label", "decision"]


def read_sample(path: Path) -> npt.NDArray[Any]:
    """A picture as uint8 BGR [height, width, 3], or the array of a .npy file.

    Raises:
        ModelRefused: It cannot be read.
    """
    if path.suffix == ".npy":
        try:
            array: npt.NDArray[Any] = np.load(path, allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise ModelRefused(f"sample {path} is no .npy file: {error}") from error
        return array
    picture = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if picture is None:
        raise ModelRefused(f"sample {path} is no picture that OpenCV reads")
    return picture


def listed(table: Path, root: Path) -> list[Sample]:
    """The samples that a table names, in its order.

    Args:
        table: CSV with the columns `file`, `label` or `decision`, and optionally `sha256`.
        root: Where the files lie.

    Raises:
        ModelRefused: The table or a file cannot be read.
        NotTrusted: A file differs from its digest.
    """
    try:
        with table.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ModelRefused(f"{table} cannot be read: {error}") from error
    found = []
    for number, row in enumerate(rows, start=2):
        by: Literal["label", "decision"] = "label" if row.get("label") else "decision"
        name, expected, sha256 = row.get("file"), row.get(by), row.get("sha256")
        if not name or not expected:
            raise ModelRefused(
                f"{table}, line {number}: a file and a label or a decision were expected", hint="columns: file,label"
            )
        path = root / name
        if Path(name).is_absolute() or ".." in Path(name).parts or not path.is_file():
            raise ModelRefused(f"{table}, line {number}: {name!r} is not in {root}")
        if sha256 and file_sha256(path) != sha256.lower():
            raise NotTrusted(f"sample {path} has another sha256 than {table} says")
        found.append(Sample(path, expected, by))
    return found


def by_folder(root: Path) -> list[Sample]:
    """The samples of a folder per label, by name."""
    return [
        Sample(path, path.parent.name, "label")
        for path in sorted(root.glob("*/*"))
        if path.is_file() and not path.name.startswith(".")
    ]
