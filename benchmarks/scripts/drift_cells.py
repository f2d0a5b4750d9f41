"""How soon solar cells that became darker or blurred are told: drift_cells.py RUNS SEED. Prints one JSON object.

Brings no pictures: the photographs are those of the extra `demo`. The reference is the demo's validation part, the line its held-out part.
"""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

import cv2
import numpy as np

from agent import demo
from agent.core.drift import Rule, Series
from agent.core.statistics import distribution, input_statistics, score_of
from agent.demo.cells import cells, part_of
from agent.models.bundle import open_bundle
from agent.models.execution import Execution
from agent.models.loading import load_model

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy.typing as npt

    from agent.core.statistics import Distribution

_MOST = 40
"""Windows after which a change counts as not seen."""
CHANGES: dict[str, Callable[[npt.NDArray[np.uint8]], npt.NDArray[np.uint8]]] = {
    "as it was": lambda picture: picture,
    "0.9 of the light": lambda picture: _lit(picture, 0.9),
    "0.8 of the light": lambda picture: _lit(picture, 0.8),
    "0.6 of the light": lambda picture: _lit(picture, 0.6),
    "blur of 1 px": lambda picture: _blurred(picture, 1),
    "blur of 2 px": lambda picture: _blurred(picture, 2),
    "blur of 3 px": lambda picture: _blurred(picture, 3),
}


def _lit(picture: npt.NDArray[np.uint8], gain: float) -> npt.NDArray[np.uint8]:
    return np.asarray(picture * gain, np.uint8)


def _blurred(picture: npt.NDArray[np.uint8], sigma: float) -> npt.NDArray[np.uint8]:
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), sigma), np.uint8)


def of_cells(runs: int, seed: int) -> dict[str, dict[str, float | None]]:
    """Windows until the alarm for each change; the reference is the demo's validation part, the line its held-out part."""
    bundle = open_bundle(Path(demo.__file__).parent / "solar-cell")
    model = load_model(bundle, Execution())
    label = bundle.spec.decision.reject.label if bundle.spec.decision else None

    def looked_at(
        part: str, change: Callable[[npt.NDArray[np.uint8]], npt.NDArray[np.uint8]]
    ) -> list[dict[str, float]]:
        found = []
        for cell in cells():
            if part_of(cell.name) == part:
                picture = change(np.asarray(cv2.imread(str(cell.path)), np.uint8))
                seen, score = input_statistics(picture), score_of(model.predict(picture), label)
                found.append(
                    {
                        "score": score or 0.0,
                        "brightness": seen.brightness,
                        "contrast": seen.contrast,
                        "sharpness": seen.sharpness,
                    }
                )
        return found

    known = looked_at("validation", CHANGES["as it was"])
    distributions = {name: distribution([one[name] for one in known]) for name in known[0]}
    rng, found = np.random.default_rng(seed), {}
    for what, change in CHANGES.items():
        line = looked_at("held-out", change)
        until = [_until_alarm(distributions, line, rng) for _ in range(runs)]
        seen = [windows for windows, _ in until if windows is not None]
        found[what] = {
            "seen": len(seen) / runs,
            "windows": median(seen) if seen else None,
            **{f"first by {name}": sum(name in first for _, first in until) / runs for name in distributions},
        }
    return found


def _until_alarm(
    references: dict[str, Distribution], line: Sequence[dict[str, float]], rng: np.random.Generator
) -> tuple[int | None, set[str]]:
    """Windows until the first statistic drifts, and which ones do then."""
    series = {name: Series(reference, Rule(deadline_s=math.inf)) for name, reference in references.items()}
    while max(one.judged for one in series.values()) < _MOST:
        seen = line[int(rng.integers(len(line)))]
        judged = [name for name, one in series.items() if one.take(seen[name], 0.0) is not None]
        drifting = {name for name in judged if series[name].drifting}
        if drifting:
            return min(series[name].judged for name in drifting), drifting
    return None, set()


if __name__ == "__main__":
    print(json.dumps(of_cells(int(sys.argv[1]), int(sys.argv[2]))))
