"""What is taken from a prediction, and what is said where there is nothing to measure with."""

from __future__ import annotations

import json

import pytest

from benchmarks.__main__ import ORDER, benchmark, main
from benchmarks.harness.context import ASSETS_VARIABLE
from benchmarks.latency import beyond_invoke_ms
from benchmarks.overload import age_ms

CAPTURED = "2026-11-22T15:17:26.123456Z"
CAPTURED_NS = 1_795_360_646_123_456_000


def test_latency_is_what_passed_beyond_the_frames_own_invoke():
    """Arrival less capture less invoke, to the microsecond."""
    payload = json.dumps({"captured_at": CAPTURED, "latency_ms": {"invoke": 3.1}})
    assert beyond_invoke_ms(CAPTURED_NS + 3_900_000, payload) == pytest.approx(0.8, abs=1e-3)


def test_age_runs_from_capture_to_publish():
    """Whatever the subscriber adds is not in it."""
    assert age_ms({"captured_at": CAPTURED, "published_at": "2026-11-22T15:17:26.127342Z"}) == pytest.approx(3.886)


@pytest.mark.parametrize("folder", [None, "empty"])
def test_without_a_model_it_says_what_to_do_and_ends_with_2(folder, tmp_path, monkeypatch, capsys):
    """No figure is better than one of something else."""
    if folder is None:
        monkeypatch.delenv(ASSETS_VARIABLE, raising=False)
    else:
        monkeypatch.setenv(ASSETS_VARIABLE, str(tmp_path))
    assert main(["encode", "--out", str(tmp_path / "results")]) == 2
    assert f"next: {ASSETS_VARIABLE}=" in capsys.readouterr().err
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize("wrong", [["speed"], ["--runs", "0"], ["--machine", "../x"]])
def test_what_cannot_be_meant_is_a_usage_error(wrong, capsys):
    """Exit code 2, and the names that there are."""
    with pytest.raises(SystemExit) as ended:
        main(wrong)
    assert ended.value.code == 2
    assert "error:" in capsys.readouterr().err


@pytest.mark.parametrize("name", ORDER)
def test_every_benchmark_has_the_common_shape(name):
    """A module with `measure`."""
    assert callable(benchmark(name).measure)
