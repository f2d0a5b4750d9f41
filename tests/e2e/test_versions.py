"""Versions that come to the demo's line, by the example's own command: each ends as it deserves, and the subscriber misses no number."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest
from broker import needs_mosquitto

SCRIPT = Path(__file__).parents[2] / "examples" / "solar-cells" / "versions" / "run.py"
ENDINGS = {
    "golden": "rejected in its state staged",
    "worse-here": "rejected in its state shadow",
    "better": "confirmed in its state active",
    "worse-later": "returned in its state active",
    "crashing": "rejected in its state staged",
}
_IN_EACH_RUN = ["golden"]
"""Each takes a minute or two; `--faults=all` runs all of them."""
_LONGEST_S = 560

pytestmark = [
    pytest.mark.timeout(600),
    needs_mosquitto,
    pytest.mark.skipif(
        importlib.util.find_spec("elpv_dataset") is None,
        reason="elpv_dataset is not installed: pip install 'lineside[demo]'",
    ),
]


@pytest.mark.parametrize("candidate", ENDINGS)
def test_a_version_ends_as_it_deserves(candidate, chance):
    """The command says so by its exit code and by its last line, and that no number is missing."""
    if candidate not in chance.pick(_IN_EACH_RUN, list(ENDINGS)):
        pytest.skip(f"{candidate} is run by --faults=all")
    done = subprocess.run(
        [sys.executable, str(SCRIPT), candidate], capture_output=True, text=True, timeout=_LONGEST_S, check=False
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    assert f"{ENDINGS[candidate]}, as it should be" in done.stdout
    assert "none missing" in done.stdout
