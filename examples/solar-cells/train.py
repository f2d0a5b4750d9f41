"""Train the solar-cell model of `lineside demo`: photographs in, the files of a bundle with an int8 model out.

    pip install 'lineside[train]'
    python examples/solar-cells/train.py --out my-solar-cell

It learns from the `train` part of the split in `agent.demo.cells`, chooses the thresholds on `validation` and looks at
`held-out` once, at the end. The int8 figures come from the path the agent takes.
"""

from __future__ import annotations

import argparse
import csv
import json
import math
import os
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np
import tensorflow as tf
from judging import LABELS, judged, outcomes, sizes, thresholds
from network import network
from photographs import photograph, values, varied
from quantizing import float_content, int8_scores, invoke_p50_ms, quantized
from tensorflow import keras

from agent.demo.cells import Cell, Part, cells, part_of, truth

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy.typing as npt

_BATCH = 16
_PEAK_RATE = 1.5e-3
_WEIGHT_DECAY = 0.05
_WARM_UP = 0.05
"""Share of the steps in which the rate rises."""
_SMOOTHING = 0.02
_UNSURE_WEIGHT = 0.5


def main() -> None:
    """Train, quantize, choose thresholds, write the bundle's files and print the figures."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--out", type=Path, required=True, help="folder that the files are written to")
    options.add_argument("--epochs", type=int, default=90)
    options.add_argument("--seed", type=int, default=2)
    given = options.parse_args()

    keras.utils.set_random_seed(given.seed)
    tf.config.experimental.enable_op_determinism()
    learned = part("train")
    model = network()
    train(model, learned, epochs=given.epochs, seed=given.seed)
    content = quantized(model, learned, seed=given.seed)
    golden = [cell for cell in part("golden") if truth(cell)]
    figures = {"seed": given.seed, "epochs": given.epochs, **measured(model, content, golden)}
    write(given.out, content, golden, figures)
    (given.out / "model-float.tflite").write_bytes(float_content(model))
    print(json.dumps(figures, indent=2))


def part(name: Part) -> list[Cell]:
    """The cells of one part of the split."""
    return [cell for cell in cells() if part_of(cell.name) == name]


def train(model: keras.Model, learned: Sequence[Cell], *, epochs: int, seed: int) -> None:
    """Fit the model to the experts' probabilities; the rate rises, then falls as a cosine to nothing."""
    images = [photograph(cell) for cell in learned]
    probabilities = np.array([cell.defect_probability for cell in learned], np.float32)
    # Defective cells are the rarer ones, 1:2.
    weights = np.where(np.isin(probabilities, (0, 1)), 1, _UNSURE_WEIGHT).astype(np.float32) * (1 + probabilities)
    defective = np.clip(probabilities, _SMOOTHING, 1 - _SMOOTHING)
    targets = np.stack([1 - defective, defective], axis=1)

    rng = np.random.default_rng(seed)
    steps = epochs * math.ceil(len(learned) / _BATCH)
    warm_up = int(_WARM_UP * steps)
    rate = keras.optimizers.schedules.CosineDecay(
        _PEAK_RATE / 20, steps - warm_up, warmup_target=_PEAK_RATE, warmup_steps=warm_up
    )
    model.compile(keras.optimizers.AdamW(rate, weight_decay=_WEIGHT_DECAY), "categorical_crossentropy")
    for epoch in range(epochs):
        began, losses = time.monotonic(), []
        for chosen in batches(len(learned), rng):
            pixels = np.stack([varied(images[k], rng) for k in chosen])
            losses.append(float(model.train_on_batch(pixels, targets[chosen], sample_weight=weights[chosen])))
        print(f"epoch {epoch + 1}/{epochs}  loss {np.mean(losses):.4f}  {time.monotonic() - began:.0f} s", flush=True)


def batches(count: int, rng: np.random.Generator) -> Iterator[npt.NDArray[np.int64]]:
    """All indices below `count` in random order, _BATCH at a time."""
    order = rng.permutation(count)
    for first in range(0, count, _BATCH):
        yield order[first : first + _BATCH]


def float_scores(model: keras.Model, chosen: Sequence[Cell]) -> npt.NDArray[np.float32]:
    """The score of `defective` for each cell, from the float model."""
    pixels = np.stack([values(photograph(cell)) for cell in chosen])
    return np.asarray(model.predict(pixels, verbose=0), np.float32)[:, 1]


def measured(model: keras.Model, content: bytes, golden: Sequence[Cell]) -> dict[str, object]:
    """Everything that the bundle's README says about the model."""
    validation, held_out = part("validation"), part("held-out")
    validation_scores, held_out_scores = int8_scores(content, validation), int8_scores(content, held_out)
    min_score, unsure_below = thresholds(validation, validation_scores)
    return {
        "parameters": model.count_params(),
        "size_bytes": len(content),
        "invoke_p50_ms": invoke_p50_ms(content),
        "split": {
            "train": sizes(part("train")),
            "validation": sizes(validation),
            "golden": sizes(part("golden")),
            "held-out": sizes(held_out),
        },
        "decision": {"min_score": min_score, "unsure_below": unsure_below},
        "held_out_float": asdict(judged(held_out, float_scores(model, held_out), min_score)),
        "held_out_int8": asdict(judged(held_out, held_out_scores, min_score)),
        "held_out_int8_outcomes": outcomes(held_out, held_out_scores, min_score, unsure_below),
        "validation_int8": asdict(judged(validation, validation_scores, min_score)),
        "golden_int8": asdict(judged(golden, int8_scores(content, golden), 0.5)),
    }


def write(out: Path, content: bytes, golden: Sequence[Cell], figures: dict[str, object]) -> None:
    """Write what this run decided; `model.toml` is written by a person, with the thresholds of `figures.json`."""
    (out / "golden").mkdir(parents=True, exist_ok=True)
    (out / "model.tflite").write_bytes(content)
    (out / "labels.txt").write_text("\n".join(LABELS) + "\n", encoding="utf-8")
    (out / "figures.json").write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    with (out / "golden" / "labels.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(("file", "label", "sha256"))
        table.writerows((cell.name, truth(cell), cell.sha256()) for cell in golden)


if __name__ == "__main__":
    main()
