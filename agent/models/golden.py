"""Golden samples: does the model give the expected answer where it is known? Part of what makes a bundle prove itself.

`golden/labels.csv` (columns `file`, `label` or `decision`, and optionally `sha256`) says what is expected; without it each
sample lies in a folder that is named by its label. Samples that may not be shipped are read from an installed package.
"""

from __future__ import annotations

import importlib.util
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from agent.core import results
from agent.core.decisions import decide
from agent.core.errors import ModelRefused
from agent.models.samples import LABELS, by_folder, listed, read_sample

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    from agent.models.bundle import Bundle
    from agent.models.loading import LoadedModel
    from agent.models.samples import Sample
    from agent.models.spec import GoldenSpec


@dataclass(frozen=True, slots=True)
class GoldenReport:
    """How a model did.

    Attributes:
        samples: How many were judged.
        right: How many got the expected answer.
        min_accuracy: The share that the bundle asks for.
        wrong: `file: expected …, got …` of the first 20 that did not.
        p99_ms: 99th percentile of one prediction, from pixels to result, on this machine.
    """

    samples: int
    right: int
    min_accuracy: float
    wrong: tuple[str, ...]
    p99_ms: float

    @property
    def accuracy(self) -> float:
        """Share of right answers, 0..1."""
        return self.right / self.samples

    @property
    def passed(self) -> bool:
        """Whether it reaches `min_accuracy`."""
        return self.accuracy >= self.min_accuracy


_WRONG_SHOWN = 20
PICTURES = "samples"
"""Folder below the golden one, for samples that `model pack --data` copies."""


def judge(
    bundle: Bundle, model: LoadedModel, seen: Callable[[Sample, list[npt.NDArray[Any]]], None] = lambda *_: None
) -> GoldenReport | None:
    """Run the golden samples of a bundle.

    Args:
        bundle: Gives the samples.
        model: The bundle, loaded.
        seen: Sees each sample and the raw outputs to it.

    Returns:
        The figures, or None where the bundle has no golden samples.

    Raises:
        ModelRefused: A sample is missing or cannot be read, or the interpreter failed.
        NotTrusted: A sample differs from its digest.
    """
    golden = bundle.spec.golden
    if golden is None:
        return None
    wrong, times_ms, preparer = [], [], model.preparer()
    found = samples(bundle.folder or bundle.model.parent, golden)
    for sample in found:
        pixels = read_sample(sample.path)
        began_ns = time.perf_counter_ns()
        prepared = preparer.prepare(pixels)
        inferred = model.infer(prepared)
        result = model.decode(inferred)
        times_ms.append((time.perf_counter_ns() - began_ns) / 1e6)
        seen(sample, inferred.outputs)
        preparer.recycle(prepared)
        got = answer_of(result) if sample.by == "label" else str(decide(result, model.rule))
        if got != sample.expected:
            wrong.append(f"{sample.path.name}: expected {sample.expected}, got {got}")
    p99_ms = float(np.percentile(times_ms, 99))
    return GoldenReport(
        len(found), len(found) - len(wrong), golden.min_accuracy, tuple(wrong[:_WRONG_SHOWN]), round(p99_ms, 3)
    )


def holds_samples(root: Path) -> bool:
    """Whether there are golden samples in a folder, or a table that names some."""
    return (root / LABELS).is_file() or bool(by_folder(root))


def samples(folder: Path, golden: GoldenSpec) -> list[Sample]:
    """The golden samples of a bundle, in the order of `labels.csv` or of their names.

    Raises:
        ModelRefused: There are none, or the table or a file cannot be found.
        NotTrusted: A file differs from its digest.
    """
    root = folder / golden.folder
    table = root / LABELS
    found = listed(table, _package_root(golden) or root) if table.is_file() else by_folder(root)
    if not found:
        raise ModelRefused(
            f"{root} holds no golden sample", hint=f"write {table} with the columns file,label, or one folder per label"
        )
    return found


def _package_root(golden: GoldenSpec) -> Path | None:
    """The folder in the installed package, found without importing it."""
    if golden.package is None:
        return None
    spec = importlib.util.find_spec(golden.package)
    if spec is None or not spec.submodule_search_locations:
        raise ModelRefused(
            f"the golden samples lie in the Python package {golden.package}, which is not installed",
            hint=f"install the package that provides {golden.package}",
        )
    return Path(spec.submodule_search_locations[0]) / golden.package_path


def answer_of(result: results.Result) -> str:
    """The label that a result stands for: of the whole frame, of the best object, or of the largest area."""
    if (label := results.label_of(result)) is not None:
        return label
    if isinstance(result, (results.Detection, results.Segmentation)):
        return "nothing"
    return f"a result of kind {result.kind}, which has no label"
