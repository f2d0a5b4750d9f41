"""What `model pack --data` puts into a bundle from an evaluation set: golden samples where there are none, and reference statistics."""

from __future__ import annotations

import csv
import io
import shutil
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from agent.core.errors import BadData
from agent.core.reference import NAME, encode, reference_of
from agent.core.statistics import input_statistics, score_of
from agent.evaluation.running import run
from agent.models.golden import PICTURES, holds_samples
from agent.models.reference import deciding
from agent.models.samples import LABELS
from cloud_sync.atomic import write_atomically

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt

    from agent.core.messages import Decision
    from agent.core.results import Result
    from agent.core.statistics import InputStatistics
    from agent.evaluation.data import DataSet, Item
    from agent.models.bundle import Bundle
    from agent.models.execution import Execution, TrialLimits

MOST_GOLDEN = 64
"""Samples that are taken: each is run whenever a device judges the version."""


@dataclass(frozen=True, slots=True)
class Sealed:
    """What was put into a bundle.

    Attributes:
        golden: How many golden samples; 0 where it had its own, or asks for none.
        reference: Of how many samples the reference statistics are.
    """

    golden: int
    reference: int


def seal(bundle: Bundle, data: DataSet, how: Execution, limits: TrialLimits) -> Sealed:
    """Run a bundle over data and write golden samples and `reference.json` into it.

    Args:
        bundle: An open folder.
        data: What the model should be good at.
        how: Threads and delegates.
        limits: Of the trial in a child process.

    Raises:
        ModelRefused: It cannot be run.
        BadData: The data does not fit.
        OSError: A file cannot be written.
    """
    if bundle.folder is None:
        raise BadData("only a bundle is sealed", hint="put the model into a folder with model.toml")
    label = bundle.spec.decision.reject.label if bundle.spec.decision else None
    scores: list[float | None] = []
    looks: list[InputStatistics] = []
    decisions: list[Decision | None] = []

    def seen(pixels: npt.NDArray[Any], result: Result, decision: Decision | None, _: object) -> None:
        scores.append(score_of(result, label))
        decisions.append(decision)
        if bundle.spec.input.kind == "image" and pixels.dtype == np.uint8:
            looks.append(input_statistics(pixels))

    run(bundle, data, how, limits, seen=seen)
    write_atomically(
        bundle.folder / NAME, encode(reference_of(scores, looks, decisions, label=label, of=deciding(bundle)))
    )
    return Sealed(_golden(bundle, bundle.folder, data), len(data.items))


def _golden(bundle: Bundle, folder: Path, data: DataSet) -> int:
    """Copy samples, a little of each label, whether or not the model gets them right: else they would prove nothing."""
    golden = bundle.spec.golden
    if golden is None or golden.package is not None or data.form == "coco" or holds_samples(folder / golden.folder):
        return 0
    chosen = choose(data.items, MOST_GOLDEN)
    root = folder / golden.folder
    (root / PICTURES).mkdir(parents=True, exist_ok=True)
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    columns = sorted({item.by for item in chosen})
    table.writerow(("file", *columns))
    for item in chosen:
        name = f"{PICTURES}/{item.id}{item.path.suffix.lower()}"
        shutil.copyfile(item.path, root / name)
        table.writerow((name, *(item.expected if item.by == column else "" for column in columns)))
    write_atomically(root / LABELS, text.getvalue().encode())
    return len(chosen)


def choose(items: tuple[Item, ...], most: int) -> list[Item]:
    """As many samples of each label as can be, in turn; the digest of its file decides which, so the choice is the same everywhere."""
    by_label: dict[str, list[Item]] = defaultdict(list)
    for item in sorted(items, key=lambda item: item.id):
        by_label[item.expected].append(item)
    turns = [
        samples[k]
        for k in range(max(map(len, by_label.values())))
        for _, samples in sorted(by_label.items())
        if k < len(samples)
    ]
    return turns[:most]
