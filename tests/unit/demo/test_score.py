"""How the demo counts: what a verdict was worth, and the shares at the end."""

from __future__ import annotations

import pytest

from agent.cli.demo_show import summary_text
from agent.demo.score import Part, Score


def part(decision: str, truth: str | None, latency_ms: float = 1.0) -> Part:
    return Part("cell.png", decision, 0.5, truth, latency_ms, 2 * latency_ms)


@pytest.mark.parametrize(
    ("decision", "truth", "mark"),
    [
        ("accept", "functional", "right"),
        ("reject", "defective", "right"),
        ("accept", "defective", "missed"),
        ("reject", "functional", "false reject"),
        ("unsure", "defective", "unsure"),
        ("unsure", "functional", "unsure"),
        ("reject", None, "not judged"),
    ],
)
def test_a_verdict_is_held_against_what_the_experts_said(decision, truth, mark):
    """Cells that the experts were unsure of are not judged; an unsure verdict is neither right nor missed."""
    assert part(decision, truth).mark == mark


def test_shares_are_of_the_cells_that_can_be_judged():
    """Accuracy counts right verdicts among the cells that the agent decided by itself."""
    score = Score()
    verdicts = [("accept", "functional")] * 6 + [("reject", "defective")] * 2
    verdicts += [("accept", "defective"), ("reject", "functional"), ("unsure", "defective"), ("reject", None)]
    for number, (decision, truth) in enumerate(verdicts, start=1):
        score.add(part(decision, truth, float(number)))
    summary = score.summary(6.0)
    assert (summary["parts"], summary["judged"], summary["right"]) == (12, 11, 8)
    assert (summary["defective"], summary["functional"]) == (4, 7)
    assert (summary["missed"], summary["false_rejects"], summary["unsure"]) == (1, 1, 1)
    assert summary["accuracy"] == pytest.approx(8 / 10, abs=1e-4)
    assert summary["rate_hz"] == 2.0
    assert summary["latency_ms"] == {"p50": 6.5, "p99": pytest.approx(11.89)}
    text = summary_text(summary)
    assert "80.0 % of the 10 cells that were decided" in text
    assert "1 of 4 defective cells accepted (25.0 %)" in text
    assert "p99 11.9 ms" in text


def test_a_belt_without_judged_cells_has_no_accuracy():
    """No share of nothing."""
    score = Score()
    score.add(part("accept", None))
    assert score.summary(1.0)["accuracy"] is None
    assert "none of the 0 cells" in summary_text(score.summary(1.0))
