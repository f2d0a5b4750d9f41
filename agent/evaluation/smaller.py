"""A bundle with an int8 model made of one with a float model, and the report on what that cost (`lineside.quantization/1`)."""

from __future__ import annotations

import re
import shutil
import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from agent.core.errors import BadData, ModelRefused
from agent.core.reference import NAME as REFERENCE
from agent.core.statistics import score_of
from agent.core.times import now_text
from agent.evaluation.data import DataSet, Item
from agent.evaluation.evaluating import evaluate
from agent.evaluation.quantizing import layers, quantize
from agent.evaluation.running import run
from agent.models.bundle import DESCRIPTION, open_unpacked
from agent.models.interpreter import Interpreter
from agent.models.loading import load_model
from agent.models.samples import read_sample
from agent.models.tflite_file import read_tflite
from agent.models.trial import try_model
from cloud_sync.evaluation.report import NAME as EVALUATION
from cloud_sync.manifest import MANIFEST, file_sha256

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    import numpy.typing as npt

    from agent.evaluation.evaluating import Order
    from agent.evaluation.quantizing import Mode
    from agent.models.bundle import Bundle
    from agent.models.execution import Execution

SCHEMA: Final = "lineside.quantization/1"
MOST_SAMPLES: Final = 500
"""Of calibration: ranges hardly move beyond some hundred."""
_MOST_BYTES: Final = 1 << 30
_PICTURES: Final = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp", ".npy"})
_OF_THE_OLD: Final = (MANIFEST, EVALUATION, REFERENCE, "recorded.json", "recorded.npz")
"""Files that say something of the former model file; `pack` and `evaluate` make them anew."""
_TIMED, _WARM_UP = 60, 10


def pictures(folder: Path) -> list[Path]:
    """Calibration samples in a folder and below, whatever their labels, evenly spaced where there are more than 500.

    Raises:
        BadData: There is none.
    """
    found = sorted(path for path in folder.rglob("*") if path.suffix.lower() in _PICTURES and path.is_file())
    if not found:
        raise BadData(f"{folder} holds no picture to calibrate with", hint="a folder of pictures, or samples export")
    chosen = np.linspace(0, len(found) - 1, min(len(found), MOST_SAMPLES)).round().astype(int)
    return [found[k] for k in chosen]


def filled(bundle: Bundle, paths: Sequence[Path], how: Execution) -> list[npt.NDArray[np.float32]]:
    """Inputs of a float model, filled by the agent's own way.

    Two corner pixels of each picture are black and white, so that the input's scale holds whatever a camera may send.

    Raises:
        ModelRefused: A sample cannot be read, or the model cannot be loaded.
        BadData: Its input is no float32, or the samples need too much memory.
    """
    model = load_model(bundle, how)
    try:
        preparer, inputs, size_bytes = model.preparer(), [], 0
        for path in paths:
            pixels = np.array(read_sample(path))
            if bundle.spec.input.kind == "image" and pixels.ndim > 1:
                pixels[0, 0], pixels[-1, -1] = 0, 255
            tensor = np.array(preparer.prepare(pixels).tensor)
            size_bytes += tensor.nbytes
            if tensor.dtype != np.float32:
                raise BadData(
                    f"{bundle.title} takes {tensor.dtype}: it is quantized already", hint="begin with a float model"
                )
            if size_bytes > _MOST_BYTES:
                raise BadData(f"{len(paths)} samples need more than {_MOST_BYTES} bytes", hint="give fewer samples")
            inputs.append(tensor)
    finally:
        model.close()
    return inputs


def make_smaller(
    folder: Path,
    out: Path,
    version: str | None,
    mode: Mode,
    calibration: Path | None,
    data: DataSet | None,
    order: Order,
    told: Callable[[int, int], None] = lambda _done, _of: None,
) -> dict[str, Any]:
    """Write a bundle with the int8 model into a new folder, and compare the two.

    Args:
        folder: Bundle with the float model.
        out: New folder.
        version: Of the new bundle; None adds `-int8` to that of the old one.
        mode: How activations are quantized.
        calibration: Folder of samples; needed for `static`.
        data: With the truth, for measures before and after; None for none.
        order: How models are run and judged.
        told: Told how many samples are done, and of how many.

    Returns:
        The report.

    Raises:
        BadData: Something is missing, or there is something in `out`.
        ModelRefused: The model cannot be run, or is none of floats.
    """
    before = open_unpacked(folder)
    kind = read_tflite(before.model).quantization
    if kind not in ("float32", "float16"):
        raise BadData(f"{before.title} is {kind} already", hint="begin with the float model that the training wrote")
    if out.exists() and any(out.iterdir()):
        raise BadData(f"there is something in {out}", hint="name a new folder")
    if calibration is None and mode == "static":
        raise BadData("static ranges come from samples", hint="--calibration DIR, or --mode dynamic")
    try_model(before.model, order.how, order.limits)
    paths = pictures(calibration) if calibration else [item.path for item in data.items[:MOST_SAMPLES]] if data else []
    inputs = filled(before, paths, order.how)
    content = before.model.read_bytes()
    small = quantize(content, mode, inputs)
    after = _written(before, folder, out, version or f"{before.spec.version}-int8", small)
    try_model(after.model, order.how, order.limits)
    seen = data or DataSet(
        calibration.name if calibration else "",
        "folders",
        tuple(Item(file_sha256(p)[:16], p, "", "label") for p in paths),
    )
    return {
        "schema": SCHEMA,
        "made_at": now_text(),
        "model": {"name": after.spec.name, "version": after.spec.version, "from": before.spec.version},
        "mode": mode,
        "calibration_samples": len(paths) if mode == "static" else 0,
        "size_bytes": {"before": len(content), "after": len(small)},
        "invoke_ms": _invoke_ms(before.model, after.model, order.how),
        "agreement": _agreement(before, after, seen, order) if seen.items else None,
        "layers": [asdict(layer) for layer in layers(content, small, inputs)] if inputs else [],
        "evaluation": evaluate(after, data, order, before, told) if data else None,
    }


def _written(before: Bundle, folder: Path, out: Path, version: str, content: bytes) -> Bundle:
    shutil.copytree(folder, out, ignore=shutil.ignore_patterns(*_OF_THE_OLD, ".*"), dirs_exist_ok=True)
    (out / before.spec.model).write_bytes(content)
    said = (out / DESCRIPTION).read_text(encoding="utf-8")
    changed, count = re.subn(r'(?m)^version(\s*)=(\s*)"[^"\n]*"', rf'version\1=\2"{version}"', said, count=1)
    if not count:
        raise ModelRefused(f"{folder / DESCRIPTION} has no line version = …", hint="write it on a line of its own")
    (out / DESCRIPTION).write_text(changed, encoding="utf-8")
    return open_unpacked(out)


def _agreement(before: Bundle, after: Bundle, data: DataSet, order: Order) -> dict[str, Any]:
    """How often both say the same, and how far their scores are apart."""
    first, second = (run(bundle, data, order.how, order.limits).answers for bundle in (before, after))
    label = before.spec.decision.reject.label if before.spec.decision else None
    pairs = list(zip(first, second, strict=True))
    scores = [(score_of(a.result, label), score_of(b.result, label)) for a, b in pairs]
    apart = [abs(a - b) for a, b in scores if a is not None and b is not None]
    labels = [getattr(a.result, "label", None) == getattr(b.result, "label", None) for a, b in pairs]
    return {
        "samples": len(pairs),
        "same_label": float(np.mean(labels)),
        "same_decision": float(np.mean([a.decision == b.decision for a, b in pairs])) if label is not None else None,
        "score_apart_mean": float(np.mean(apart)) if apart else None,
        "score_apart_max": float(np.max(apart)) if apart else None,
    }


def _invoke_ms(before: Path, after: Path, how: Execution) -> dict[str, dict[str, float]]:
    """The interpreter alone, on zeros; in turns, so that what else this machine does is shared by both."""
    both = {"before": Interpreter(before, how), "after": Interpreter(after, how)}
    times_ms: dict[str, list[float]] = {name: [] for name in both}
    try:
        for _ in range(_WARM_UP + _TIMED):
            for name, interpreter in both.items():
                began_ns = time.perf_counter_ns()
                interpreter.invoke()
                times_ms[name].append((time.perf_counter_ns() - began_ns) / 1e6)
    finally:
        for interpreter in both.values():
            interpreter.close()
    shares = {"p50": 0.5, "p99": 0.99}
    return {
        name: {key: round(float(np.quantile(found[_WARM_UP:], share)), 3) for key, share in shares.items()}
        for name, found in times_ms.items()
    }
