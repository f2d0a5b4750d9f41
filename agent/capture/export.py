"""Samples as a data set: one folder for each label, and `labels.csv` for what a person has judged."""

from __future__ import annotations

import csv
import io
import shutil
from typing import TYPE_CHECKING

from agent.core.errors import BadData
from agent.core.names import to_name
from cloud_sync.atomic import write_atomically

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from agent.capture.folder import Sample, SampleFolder

TABLE = "labels.csv"
UNLABELLED = "unlabelled"


def export(folder: SampleFolder, samples: Iterable[Sample], target: Path) -> list[Path]:
    """Copy samples to `target`, as `<label, else decision, else "unlabelled">/<id>.jpg`.

    `labels.csv` (columns `file`, `label` and `decision`) lists what a person has judged and nothing else: what a model decided is no truth.

    Args:
        folder: Where they lie.
        samples: Which ones.
        target: Made if it is not there; must be empty.

    Returns:
        The copies, in the order of the samples; one that vanished meanwhile is left out.

    Raises:
        BadData: `target` holds something.
        OSError: It cannot be written.
    """
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise BadData(f"{target} is not empty", hint="name a folder that is not there yet")
    target.mkdir(parents=True, exist_ok=True)
    copies, rows = [], []
    for sample in samples:
        guess = (sample.prediction or {}).get("decision")
        copy = target / to_name(sample.label or sample.decision or guess or UNLABELLED) / f"{sample.id}.jpg"
        copy.parent.mkdir(exist_ok=True)
        try:
            shutil.copyfile(folder.image(sample), copy)
        except FileNotFoundError:
            continue
        copies.append(copy)
        if (known := sample.truth) is not None:
            row = dict([known])
            rows.append((copy.relative_to(target).as_posix(), row.get("label", ""), row.get("decision", "")))
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerows([("file", "label", "decision"), *rows])
    write_atomically(target / TABLE, text.getvalue().encode())
    return copies
