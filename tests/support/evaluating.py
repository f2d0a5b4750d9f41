"""Reports as an evaluation would write them, bundles of tiny models, and pictures that a tiny classifier gets right or wrong."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import cv2
import numpy as np

from agent.evaluation.data import DataSet, Item
from agent.evaluation.running import Answer, Run

if TYPE_CHECKING:
    from pathlib import Path


def report(hits: dict[str, str], *, files: dict[str, str], measures=None, against=None, prefix="sample") -> dict:
    """The content of an `evaluation.json`; each text of `hits` has one letter a sample."""
    samples = len(next(iter(hits.values()), ""))
    return {
        "schema": "lineside.evaluation/1",
        "model": {"name": "m", "version": "1", "files": files},
        "measures": measures or {},
        "primary": list(hits),
        "samples": {"ids": [f"{prefix}-{k}" for k in range(samples)], "hits": hits},
        "against": against,
    }


def encoded(content: dict) -> bytes:
    return json.dumps(content).encode()


def write_pictures(folder: Path, label: str, values) -> Path:
    """8x8 pictures, one flat brightness each, in a folder that is named by their label."""
    (folder / label).mkdir(parents=True, exist_ok=True)
    for value in values:
        assert cv2.imwrite(str(folder / label / f"{value}.png"), np.full((8, 8, 3), value, np.uint8))
    return folder


def answers(results, truths, *, rule=None, decisions=None, by="label", size=(8, 8)) -> tuple[Run, DataSet]:
    """A run that gave these results, and data in which these truths hold."""
    decisions = decisions or [None] * len(results)
    given = [Answer(result, decision, size, 1.0, 2.0) for result, decision in zip(results, decisions, strict=True)]
    items = [Item(f"{k:016x}", None, truth, by) for k, truth in enumerate(truths)]
    return Run(tuple(given), rule, "litert", "xnnpack", "here", ()), DataSet("data", "table", tuple(items))
