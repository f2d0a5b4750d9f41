"""Detection against COCO annotations: mean average precision by pycocotools, the reference implementation; its bootstrap over pictures.

T.-Y. Lin et al., Microsoft COCO, ECCV 2014; https://cocodataset.org/#detection-eval. Pictures are matched once; a draw of the bootstrap puts the
matches of the drawn pictures together and accumulates them again.
"""

from __future__ import annotations

import contextlib
import io
from typing import TYPE_CHECKING, Any

import numpy as np

from agent.core.errors import BadData, MissingExtra
from agent.core.results import Detection
from agent.evaluation.judging import Judged, judge_decisions
from agent.evaluation.measures import Measure, ratio

if TYPE_CHECKING:
    from agent.evaluation.data import DataSet
    from agent.evaluation.measures import Reals
    from agent.evaluation.running import Run

LEAST_SCORE = 0.01
"""Objects are asked for down to this score, as average precision looks at all thresholds; the bundle's own is for precision and recall."""
DRAWS = 200
"""Of the bootstrap: each accumulates all matches anew."""
_MOST_OBJECTS = 100


def judge_objects(run: Run, data: DataSet, threshold: float) -> Judged:
    """Judge boxes.

    Args:
        run: The answers, with objects down to `LEAST_SCORE`.
        data: With COCO annotations.
        threshold: Of the bundle: for precision, recall and F1, at an overlap of one half.

    Raises:
        BadData: The model gives no boxes, or the data has none of its labels.
        MissingExtra: pycocotools is not installed.
    """
    if not all(isinstance(answer.result, Detection) for answer in run.answers):
        raise BadData("COCO annotations judge models that give boxes", hint="a folder per label, or labels.csv")
    judged = Judged()
    known = sorted({each["category"] for item in data.items for each in item.objects})
    if not known:
        raise BadData(f"{data.name} has no annotation", hint="is it the right file?")
    matched = _Matched(run, data, known)
    judged.measures = {
        "map": Measure(lambda weights: matched.drawn(weights, None)),
        "map_50": Measure(lambda weights: matched.drawn(weights, 0)),
        **matched.at(threshold),
    }
    judged.primary = ("map",)
    judged.classes = matched.rows()
    judged.notes.append(
        f"precision, recall and F1 are of objects at the bundle's threshold {threshold:g} and an overlap of 0.5"
    )
    label = run.rule.label if run.rule else None
    judge_decisions(
        judged, run, np.array([any(each["category"] == label for each in item.objects) for item in data.items])
    )
    judged.primary = ("map", *judged.primary) if run.rule else ("map",)
    return judged


class _Matched:
    """The matches of all pictures, by pycocotools."""

    def __init__(self, run: Run, data: DataSet, known: list[str]) -> None:
        try:
            from pycocotools.coco import COCO  # noqa: PLC0415 - an extra, and 20 ms
            from pycocotools.cocoeval import COCOeval  # noqa: PLC0415
        except ImportError as error:
            raise MissingExtra(
                "COCO-style measures need pycocotools", hint="pip install 'lineside[publish]'"
            ) from error
        self._names, self._pictures = known, len(data.items)
        with contextlib.redirect_stdout(io.StringIO()):  # it prints its progress
            truth, found = COCO(), COCO()
            truth.dataset, found.dataset = _annotated(data, known), _detected(run, known)
            truth.createIndex()
            found.createIndex()
            self._coco = COCOeval(truth, found, "bbox")
            self._coco.params.areaRng, self._coco.params.areaRngLbl = [[0, 1e10]], ["all"]
            self._coco.params.maxDets = [_MOST_OBJECTS]
            self._coco.evaluate()
        self._of_pictures = list(self._coco.evalImgs)

    def drawn(self, weights: Reals, overlap: int | None) -> Reals:
        """Mean average precision of each draw, [draws]; `overlap` is the place of one threshold, None the mean of all ten."""
        return np.array([_mean(self._precision(row), overlap) for row in weights])

    def rows(self) -> list[dict[str, Any]]:
        """Average precision of each label."""
        precision = self._precision(np.ones(self._pictures))
        return [
            {
                "label": name,
                "samples": sum(
                    int((~np.asarray(one["gtIgnore"], bool)).sum()) for one in self._of_label(k) if one is not None
                ),
                "map": _mean(precision[:, :, k : k + 1], None),
                "map_50": _mean(precision[:, :, k : k + 1], 0),
            }
            for k, name in enumerate(self._names)
        ]

    def at(self, threshold: float) -> dict[str, Measure]:
        """Precision, recall and F1 of objects whose score reaches a threshold, at an overlap of one half; weights are of pictures."""
        true, false, all_true = (np.zeros(self._pictures) for _ in range(3))
        for k in range(len(self._names)):
            for picture, one in enumerate(self._of_label(k)):
                if one is None:
                    continue
                counts = (np.asarray(one["dtScores"]) >= threshold) & ~one["dtIgnore"][0].astype(bool)
                hit = one["dtMatches"][0] > 0
                true[picture] += np.sum(counts & hit)
                false[picture] += np.sum(counts & ~hit)
                all_true[picture] += np.sum(~np.asarray(one["gtIgnore"], bool))
        return {
            "precision": Measure(lambda weights: ratio(weights @ true, weights @ (true + false))),
            "recall": Measure(lambda weights: ratio(weights @ true, weights @ all_true)),
            "f1": Measure(lambda weights: ratio(2 * (weights @ true), weights @ (true + false) + weights @ all_true)),
        }

    def _of_label(self, k: int) -> list[Any]:
        return self._of_pictures[k * self._pictures : (k + 1) * self._pictures]

    def _precision(self, weights: Reals) -> Reals:
        """[overlaps, recalls, labels]; -1 where a label does not occur."""
        chosen = np.repeat(np.arange(self._pictures), weights.astype(int))
        coco, ids = self._coco, list(range(len(chosen)))
        coco.evalImgs = [self._of_label(k)[picture] for k in range(len(self._names)) for picture in chosen]
        coco.params.imgIds = coco._paramsEval.imgIds = ids  # noqa: SLF001 - that many pictures, in this order
        with contextlib.redirect_stdout(io.StringIO()):
            coco.accumulate()
        return np.asarray(coco.eval["precision"][:, :, :, 0, 0], np.float64)


def _annotated(data: DataSet, known: list[str]) -> dict[str, Any]:
    places = {name: k for k, name in enumerate(known, start=1)}
    annotations = [
        {
            **{key: each[key] for key in ("bbox", "area", "iscrowd")},
            "image_id": picture,
            "category_id": places[each["category"]],
        }
        for picture, item in enumerate(data.items)
        for each in item.objects
    ]
    return _dataset(len(data.items), known, annotations)


def _detected(run: Run, known: list[str]) -> dict[str, Any]:
    places = {name: k for k, name in enumerate(known, start=1)}
    found = []
    for picture, answer in enumerate(run.answers):
        width, height = answer.size
        for one in answer.result.objects if isinstance(answer.result, Detection) else ():
            if one.label in places:
                left, top, right, bottom = one.box
                box = [left * width, top * height, (right - left) * width, (bottom - top) * height]
                found.append(
                    {
                        "bbox": box,
                        "area": box[2] * box[3],
                        "score": one.score,
                        "image_id": picture,
                        "iscrowd": 0,
                        "category_id": places[one.label],
                    }
                )
    return _dataset(len(run.answers), known, found)


def _dataset(pictures: int, known: list[str], annotations: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "images": [{"id": picture} for picture in range(pictures)],
        "categories": [{"id": k, "name": name} for k, name in enumerate(known, start=1)],
        "annotations": [each | {"id": number} for number, each in enumerate(annotations, start=1)],
    }


def _mean(precision: Reals, overlap: int | None) -> float:
    chosen = precision if overlap is None else precision[overlap]
    defined = chosen[chosen > -1]
    return float(defined.mean()) if defined.size else float("nan")
