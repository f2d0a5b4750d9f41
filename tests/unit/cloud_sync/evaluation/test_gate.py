"""The publish gate: what is refused, what is not, and that leaving something out is no way around it."""

from __future__ import annotations

import pytest
from evaluating import encoded, report

from cloud_sync.evaluation import BoundsInvalid, Release, Report, ReportInvalid, exact_mcnemar, holm, judge, paired
from cloud_sync.evaluation.bounds import read_bounds

FILES = {"model.tflite": "a" * 64, "model.toml": "b" * 64}


def release(version="2", *, hits=None, bounds="", measures=None, against=None, files=None, **more):
    said = None
    if hits is not None:
        content = report(hits, files=files or FILES, measures=measures, against=against, **more)
        said = Report.decode(encoded(content))
    return Release(f"m {version}", f"sha256:{version}", FILES, said, read_bounds(bounds.encode()))


def estimate(value, low, high):
    return {"value": value, "low": low, "high": high}


def test_the_exact_test_is_the_published_one():
    """Of 8 disagreements 1 and 7: 2 (1 + 8) / 256. None at all: no difference. Many: no overflow."""
    assert exact_mcnemar(1, 7) == exact_mcnemar(7, 1) == pytest.approx(18 / 256)
    assert exact_mcnemar(0, 0) == 1.0
    assert exact_mcnemar(4000, 4200) == pytest.approx(0.0277, abs=0.001)


@pytest.mark.parametrize(("first", "second"), [(500, 500), (470, 530), (400, 600), (0, 1000)])
def test_many_disagreements_are_summed_as_exactly(first, second, monkeypatch):
    """By another way, as whole numbers of a million digits take minutes: the same to ten digits, where both can."""
    exact = exact_mcnemar(first, second)
    monkeypatch.setattr(paired, "_BY_WHOLE_NUMBERS", 0)
    assert exact_mcnemar(first, second) == pytest.approx(exact, rel=1e-10)
    assert exact_mcnemar(450_000, 450_000) == 1.0


def test_several_questions_are_paid_for():
    """Holm's own rule: the smallest p-value times their number, the next times one less, never falling."""
    assert holm({"a": 0.01, "b": 0.04, "c": 0.03}) == pytest.approx({"a": 0.03, "c": 0.06, "b": 0.06})


def test_without_bounds_and_without_anything_to_replace_nothing_is_asked():
    """So a first version is published as before."""
    assert judge(release(), None) == ()


@pytest.mark.parametrize(
    ("bounds", "found", "refused"),
    [
        ("accuracy = 0.9", estimate(0.95, 0.91, 0.98), False),
        ("accuracy = 0.9", estimate(0.95, 0.89, 0.98), True),
        ("accuracy = 0.9", estimate(None, None, None), True),
        ("false_rejects = 0.05", estimate(0.03, 0.01, 0.05), False),
        ("false_rejects = 0.05", estimate(0.03, 0.01, 0.06), True),
        ("auc = 0.9", None, True),
    ],
)
def test_a_bound_is_met_by_the_worse_end_of_the_interval(bounds, found, refused):
    """A good figure of few samples is not enough, nor is one that nobody determined."""
    name = bounds.split(" ")[0]
    measures = {name: found} if found else {}
    reasons = judge(release(hits={}, bounds=f"[bounds]\n{bounds}\n", measures=measures), None)
    assert bool(reasons) == refused
    assert all(name in reason for reason in reasons)


def test_who_sets_bounds_has_to_be_evaluated():
    """A version without a report cannot meet them."""
    (reason,) = judge(release(bounds="[bounds]\nauc = 0.9\n"), None)
    assert "no evaluation.json" in reason


def test_a_report_of_other_files_is_none():
    """A model or its description that was changed afterwards has to be evaluated again."""
    stale = release(hits={"accuracy": "1" * 30}, files={**FILES, "model.toml": "c" * 64})
    (reason,) = judge(stale, None)
    assert "another model.toml" in reason


def test_a_version_that_is_worse_on_the_same_samples_is_refused():
    """Twelve samples lost and none won are no chance; three are."""
    before = release("1", hits={"accuracy": "1" * 100})
    lost = lambda count: release(hits={"accuracy": "0" * count + "1" * (100 - count)})  # noqa: E731 - a word for a table
    (reason,) = judge(lost(12), before)
    assert "accuracy is significantly worse than that of m 1" in reason
    assert judge(lost(3), before) == ()
    assert judge(before, lost(12)) == ()


def test_missing_more_bad_parts_is_worse_even_where_as_many_are_decided_right():
    """A missed part is what the line is there for; what was won on good parts does not pay for it."""
    before = release("1", hits={"decision_accuracy": "1" * 40 + "0" * 40, "caught": "1" * 40 + "-" * 40})
    after = release(hits={"decision_accuracy": "0" * 40 + "1" * 40, "caught": "0" * 40 + "-" * 40})
    reasons = judge(after, before)
    assert len(reasons) == 1
    assert "caught" in reasons[0]


@pytest.mark.parametrize(
    "hits", [{"accuracy": "1" * 100}, {"accuracy": "1" * 19}], ids=["other samples", "few samples"]
)
def test_who_cannot_be_compared_is_refused(hits):
    """Else another data set, or a handful of samples, would be the way around."""
    before = release("1", hits={"accuracy": "1" * 100})
    prefix = "sample" if len(hits["accuracy"]) < 20 else "another"
    (reason,) = judge(release(hits=hits, prefix=prefix), before)
    assert "cannot be compared" in reason


def test_a_comparison_with_the_replaced_version_itself_will_do():
    """On other samples, or for boxes: `evaluate --against` it."""
    before = release("1", hits={"map": ""})
    against = {"digest": "sha256:1", "tests": [{"measure": "map", "difference": -0.1, "gain": -0.1, "p": 0.5}]}
    assert judge(release(hits={"map": ""}, against=against), before) == ()
    against["tests"][0]["p"] = 0.001
    assert "map is significantly worse" in judge(release(hits={"map": ""}, against=against), before)[0]
    against["digest"] = "sha256:0"
    assert "cannot be compared" in judge(release(hits={"map": ""}, against=against), before)[0]


def test_who_replaces_an_evaluated_version_has_to_be_evaluated():
    """The other way round there is nothing to compare with."""
    evaluated = release("1", hits={"accuracy": "1" * 100})
    assert "it has none" in judge(release(), evaluated)[0]
    assert judge(evaluated, release()) == ()


@pytest.mark.parametrize(
    "change",
    [
        lambda said: said.update(schema="lineside.evaluation/2"),
        lambda said: said["samples"].update(hits={"accuracy": "11"}),
        lambda said: said["samples"].update(hits={"accuracy": "11x"}),
        lambda said: said.update(measures={"accuracy": {"value": "1", "low": 1, "high": 1}}),
        lambda said: said.pop("model"),
    ],
)
def test_what_is_no_report_is_refused(change):
    """With a word of where it should come from."""
    said = report({"accuracy": "111"}, files=FILES)
    change(said)
    with pytest.raises(ReportInvalid) as refused:
        Report.decode(encoded(said))
    assert "model evaluate" in refused.value.hint


@pytest.mark.parametrize("toml", ["[bounds]\naccurracy = 0.9", "[bounds]\naccuracy = true", "[bounds", "bounds = 1"])
def test_bounds_that_mean_nothing_are_refused(toml):
    """A misspelt bound would never hold anything up."""
    with pytest.raises(BoundsInvalid):
        read_bounds(toml.encode())
