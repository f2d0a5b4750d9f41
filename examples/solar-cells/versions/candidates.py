"""The versions of the example: what each one learned from, and how its life on the line has to end.

All were trained with the same care on 400 cells. What differs is who labelled them.
"""

from __future__ import annotations

import csv
import re
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from crash import crashing
from heads import BASE, Heads, fitted, said_defective

from agent.demo.cells import Cell, cells, part_of, truth

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import numpy.typing as npt
    from heads import Floats

Labels = Literal["right", "hurried", "careless", "swapped", "one material"]
Ending = Literal["confirmed", "rejected", "returned"]

_LEARNED = 400
_WRONG: dict[Labels, float] = {"right": 0.0, "hurried": 0.35, "careless": 0.4, "swapped": 1.0}
"""Share of labels that say the opposite."""
_OF_THE_OTHER = 0.7
"""One material: so many of the polycrystalline cells were called defective by somebody who knew only the other kind."""
FIRST_SEED = 9


@dataclass(frozen=True, slots=True)
class Candidate:
    """One version, and the line that it comes to.

    Attributes:
        story: For whoever watches.
        labels: What it learned from.
        ending: How its life has to end.
        where: The states in which that may be.
        tried: The publisher has tried it; else it was signed unseen.
        crashes: It takes down the process that runs it.
        later: Cells of the other material come only when it is active.
    """

    story: str
    labels: Labels
    ending: Ending
    where: tuple[str, ...]
    tried: bool = True
    crashes: bool = False
    later: bool = False

    def judged_by(self, golden: Sequence[Cell]) -> list[Cell]:
        """Its golden samples, of those that there are."""
        return [cell for cell in golden if self.labels != "one material" or cell.kind == "mono"]


CANDIDATES = {
    "better": Candidate(
        "was trained on cells that were labelled with care, where the first version's were labelled in a hurry",
        "right",
        "confirmed",
        ("active",),
    ),
    "golden": Candidate(
        "was trained with its two labels swapped, and signed by somebody who did not try it",
        "swapped",
        "rejected",
        ("staged", "verified"),
        tried=False,
    ),
    "worse-here": Candidate(
        "knows one of the two materials on this belt, and its golden samples are of that one",
        "one material",
        "rejected",
        ("shadow", "canary"),
    ),
    "worse-later": Candidate(
        "is as above, and the other material comes to the belt only after it has become active",
        "one material",
        "returned",
        ("active",),
        later=True,
    ),
    "crashing": Candidate(
        "takes down whatever process runs it, and was signed by somebody who did not try it",
        "right",
        "rejected",
        ("staged", "verified"),
        tried=False,
        crashes=True,
    ),
}


def part(name: str) -> list[Cell]:
    """The cells of one part of the split, of which the experts were sure."""
    return [cell for cell in cells() if part_of(cell.name) == name and truth(cell)]


def chosen(seed: int, known: Sequence[Cell]) -> npt.NDArray[np.int64]:
    """Which cells a version learns from, as indices."""
    return np.random.default_rng(seed).choice(len(known), _LEARNED, replace=False)


def labelled(labels: Labels, learned: Sequence[Cell], seed: int) -> npt.NDArray[np.bool_]:
    """What somebody has said of cells: which are defective, [cells]."""
    rng = np.random.default_rng(seed + 1)
    true = said_defective(learned)
    if labels == "one material":
        other = np.array([cell.kind == "poly" for cell in learned])
        return true | (other & (rng.random(len(learned)) < _OF_THE_OTHER))
    return true ^ (rng.random(len(learned)) < _WRONG[labels])


def head(heads: Heads, labels: Labels, seed: int) -> tuple[Floats, float]:
    """Weights and bias of a last layer that was trained on 400 cells.

    Args:
        heads: Of the demo's model.
        labels: Who labelled them.
        seed: Which cells, and which labels are wrong.
    """
    known = part("train")
    learned = [known[k] for k in chosen(seed, known)]
    return fitted(heads.features(learned), labelled(labels, learned, seed))


def trained(heads: Heads, labels: Labels, seed: int) -> bytes:
    """A .tflite with such a last layer; see `head`."""
    return heads.with_head(*head(heads, labels, seed))


def first_version(heads: Heads) -> bytes:
    """The model that works when the example begins."""
    return trained(heads, "hurried", FIRST_SEED)


def made(heads: Heads, candidate: Candidate, seed: int) -> bytes:
    """The model of a candidate."""
    model = trained(heads, candidate.labels, seed)
    return crashing(model) if candidate.crashes else model


def write_bundle(folder: Path, version: str, model: bytes, *, golden: Sequence[Cell]) -> Path:
    """An unpacked bundle with the demo's `model.toml`, and samples of its own.

    Args:
        folder: New.
        version: Of it.
        model: The .tflite.
        golden: Cells that it is judged by before it is published, and on the device.
    """
    (folder / "golden").mkdir(parents=True)
    (folder / "model.tflite").write_bytes(model)
    shutil.copyfile(BASE / "labels.txt", folder / "labels.txt")
    toml = (BASE / "model.toml").read_text(encoding="utf-8")
    for key, value in (("version", f'"{version}"'), ("unsure_below", "0.55"), ("min_accuracy", "0.6")):
        toml = re.sub(rf"^{key} = .*$", f"{key} = {value}", toml, count=1, flags=re.MULTILINE)
    toml = toml.replace("min_score = 0.3", "min_score = 0.5")
    (folder / "model.toml").write_text(toml, encoding="utf-8")
    with (folder / "golden" / "labels.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(("file", "label", "sha256"))
        table.writerows((cell.name, truth(cell), cell.sha256()) for cell in golden)
    return folder
