"""From results and truths to measures, for each kind of model."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from evaluating import answers

from agent.core.decisions import DecisionRule, decide
from agent.core.errors import BadData
from agent.core.results import Anomaly, Classification, DetectedObject, Detection, Regression, Scored
from agent.evaluation.data import DataSet, Item
from agent.evaluation.judging import judge, roc
from agent.evaluation.running import Answer, Run

RULE = DecisionRule(label="bad", min_score=0.6, unsure_below=0.55)


def said(bad: float) -> Classification:
    top = sorted([Scored(label="bad", score=bad), Scored(label="good", score=1 - bad)], key=lambda one: -one.score)
    return Classification(label=top[0].label, score=top[0].score, top=top)


def values(judged):
    return {name: float(measure.of(np.ones((1, 4)))[0]) for name, measure in judged.measures.items()}


def test_labels_and_decisions_are_judged_apart():
    """One bad part is caught, one is left to a person; one good part is rejected, one accepted."""
    results = [said(0.9), said(0.52), said(0.7), said(0.1)]
    run, data = answers(
        results, ["bad", "bad", "good", "good"], rule=RULE, decisions=[decide(result, RULE) for result in results]
    )
    judged = judge(run, data, ["good", "bad"])
    found = values(judged)
    assert found["accuracy"] == 0.75
    assert found["decision_accuracy"] == 0.5
    assert (found["caught"], found["false_rejects"], found["unsure"]) == (1.0, 0.5, 0.25)
    assert (found["precision"], found["recall"], found["auc"]) == pytest.approx((2 / 3, 1.0, 0.75))
    assert judged.confusion == (["good", "bad"], [[1, 1], [0, 2]])
    assert judged.decisions == {
        "accept": {"accept": 1, "unsure": 0, "reject": 1},
        "reject": {"accept": 0, "unsure": 1, "reject": 1},
    }
    assert judged.primary == ("decision_accuracy", "caught")


def test_labels_and_decisions_together_are_judged_as_decisions():
    """Who looks at parts names some and says of others only what to do with them; a label says that as well."""
    results = [said(0.9), said(0.1), said(0.7), said(0.1)]
    run, data = answers(
        results, ["bad", "good", "reject", "reject"], rule=RULE, decisions=[decide(result, RULE) for result in results]
    )
    items = [replace(item, by="decision" if k > 1 else "label") for k, item in enumerate(data.items)]
    judged = judge(run, replace(data, items=tuple(items)), ["good", "bad"])
    found = values(judged)
    assert (found["decision_accuracy"], found["caught"], found["false_rejects"]) == (0.75, 2 / 3, 0.0)
    assert "'bad' count as to be rejected" in judged.notes[0]


def test_labels_and_decisions_of_a_model_that_rejects_no_label_do_not_go_together():
    """Nobody knows which labels are to be rejected."""
    run, data = answers([said(0.9), said(0.1)], ["bad", "reject"])
    items = (data.items[0], replace(data.items[1], by="decision"))
    with pytest.raises(BadData, match="some a decision"):
        judge(run, replace(data, items=items), ["good", "bad"])


def test_a_label_that_the_model_does_not_know_is_wrong_and_said():
    """It is not left out, which would flatter the model."""
    run, data = answers([said(0.9), said(0.2)], ["bad", "scratch"])
    judged = judge(run, data, ["good", "bad"])
    assert judged.measures["accuracy"].hits.tolist() == [True, False]
    assert "'scratch'" in judged.notes[0]


def test_strangeness_is_judged_against_good_parts():
    """Whatever the labels of the faults; which labels are good may be said."""
    results = [Anomaly(score=score, threshold=None) for score in (0.1, 0.2, 0.3, 0.15)]
    run, data = answers(results, ["ok", "crack", "pitting", "ok"])
    assert values(judge(run, data, None))["auc"] == 1.0
    run, data = answers(results, ["0", "1", "1", "1"])
    assert values(judge(run, data, None, frozenset({"0"})))["auc"] == 1.0
    with pytest.raises(BadData, match="says that a part is good"):
        judge(run, data, None)


def test_numbers_are_judged_by_their_errors():
    """And a truth that is no number is named."""
    results = [Regression(value=value, unit="mm") for value in (1.0, 2.0, 3.0, 4.0)]
    run, data = answers(results, ["1.5", "2", "3", "3.5"])
    assert values(judge(run, data, None)) == pytest.approx({"mae": 0.25, "rmse": 0.125**0.5})
    run, data = answers(results, ["1", "2", "3", "dark"])
    with pytest.raises(BadData, match="dark"):
        judge(run, data, None)


def test_the_curve_goes_from_nothing_to_everything():
    """Ties are one step; a model that knows nothing lies on the diagonal."""
    positive = np.array([True, False, True, False])
    assert roc(np.array([0.9, 0.8, 0.7, 0.1]), positive) == [(0, 0), (0, 0.5), (0.5, 0.5), (0.5, 1), (1, 1)]
    assert roc(np.ones(4), positive) == [(0, 0), (1, 1)]


def test_boxes_are_judged_as_coco_does():
    """A box that fits and one at an overlap of 0.6: three of ten thresholds hold for it, and so for half of what is there."""
    pytest.importorskip("pycocotools", reason="boxes are judged by pycocotools, extra [publish]")
    from agent.evaluation.detection import judge_objects

    def box(left, top, right, bottom, score):
        return DetectedObject(label="crack", score=score, box=[left, top, right, bottom])

    found = [
        Detection(objects=[box(0, 0, 0.5, 0.5, 0.9)]),
        Detection(objects=[box(0, 0, 0.5, 0.3, 0.8), box(0.6, 0.6, 1, 1, 0.1)]),
    ]
    truth = {"category": "crack", "bbox": [0.0, 0.0, 50.0, 50.0], "area": 2500.0, "iscrowd": 0}
    run = Run(tuple(Answer(each, None, (100, 100), 1, 1) for each in found), None, "", "", "", ())
    data = DataSet("d", "coco", tuple(Item(str(k), None, "", "objects", (truth,)) for k in range(2)))
    judged = judge_objects(run, data, threshold=0.5)
    whole = np.ones((1, 2))
    value = {name: float(measure.of(whole)[0]) for name, measure in judged.measures.items()}
    assert value["map_50"] == pytest.approx(1.0)
    assert value["map"] == pytest.approx((3 * 1.0 + 7 * 51 / 101) / 10, abs=1e-6)
    assert (value["precision"], value["recall"], value["f1"]) == (1.0, 1.0, 1.0)
    lone = judged.measures["map"].of(np.array([[2.0, 0.0], [0.0, 2.0]]))
    assert lone.tolist() == pytest.approx([1.0, 0.3])
