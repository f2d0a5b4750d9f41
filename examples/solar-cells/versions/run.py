"""A new version comes to a running line, and ends as it deserves.

    pip install 'lineside[demo,registry]'
    python examples/solar-cells/versions/run.py better

One of: better, golden, worse-here, worse-later, crashing. A minute or two each.
Exit codes: 0 it ended as it should, and no number is missing at the subscriber; 1 it did not.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
import tempfile
from pathlib import Path

from candidates import CANDIDATES, Candidate, first_version, made, part, write_bundle
from following import Following, gaps, summary
from heads import Heads
from inspector import Inspector
from line import CommandFailed, Line, line_with, log_of
from listening import Silent, Subscriber

FIRST, SECOND = "1.0.0", "2.0.0"
GATES = {
    "shadow_frames": 60,
    "shadow_s": 3,
    "shadow_deadline_s": 90,
    "canary_frames": 30,
    "canary_s": 3,
    "canary_share": 0.2,
    "canary_deadline_s": 90,
    "bake_frames": 300,
    "bake_s": 10,
}
LONGER = {"bake_frames": 1500, "bake_s": 45}
"""Where what is wrong shows late: the belt has to come round first."""
RATE_HZ = 30
_STATE_S = 200.0
_AFTER = 30
"""Predictions that are waited for when it is over: the line goes on."""
_SEED = 1


def main() -> None:
    """Show one candidate."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("candidate", choices=CANDIDATES)
    name = options.parse_args().candidate
    with tempfile.TemporaryDirectory(prefix="lineside-versions-") as folder:
        try:
            sys.exit(0 if show(CANDIDATES[name], Path(folder)) else 1)
        except (CommandFailed, Silent) as error:
            sys.exit(f"{error}\n{log_of(Path(folder) / 'line' / 'run.log')}")


def show(candidate: Candidate, folder: Path) -> bool:
    """Run the line; whether all was as it should be.

    Args:
        candidate: What comes to it.
        folder: Empty.
    """
    print(f"A version that {candidate.story}.\n", flush=True)
    heads, golden, belt = Heads(), part("golden"), part("held-out")
    first = write_bundle(folder / FIRST, FIRST, first_version(heads), golden=golden)
    second = write_bundle(folder / SECOND, SECOND, made(heads, candidate, _SEED), golden=candidate.judged_by(golden))
    later = [cell for cell in belt if candidate.later and cell.kind == "poly"]
    begun = [cell for cell in belt if cell not in later]
    cells = {cell.name: cell for cell in belt}
    (folder / "line").mkdir()
    gates = GATES | LONGER if candidate.later else GATES
    with line_with(folder / "line", first, begun, gates=gates, rate_hz=RATE_HZ) as line:
        heard = Subscriber(line.port)
        with contextlib.closing(heard), contextlib.closing(Inspector(line, heard, cells, SECOND)) as inspector:
            following = Following(heard, SECOND)
            following.first(FIRST)
            bring(line, candidate, second, following)
            inspector.start()
            if later:
                following.until("active", _STATE_S)
                line.lay(later)
                following.say("the belt", "", f"{len(later)} cells of the other material are laid on")
            following.end(_STATE_S)
            seen = len(heard.predictions)
            heard.wait("further predictions", lambda: len(heard.predictions) >= seen + _AFTER, _STATE_S)
    missing = gaps(heard.predictions)
    print(f"\n{summary(heard.predictions, inspector.said)}")
    is_right = following.ending == candidate.ending and following.ended_in in candidate.where and not missing
    should = (
        "as it should be"
        if is_right
        else f"and should have been {candidate.ending} in its {' or '.join(candidate.where)}"
    )
    print(f"{'ending':12} {following.ending} in its state {following.ended_in}, {should}")
    return is_right


def bring(line: Line, candidate: Candidate, bundle: Path, following: Following) -> None:
    """Publish it, and have the agent look."""
    if candidate.tried:
        line.pack(bundle)
        line.publish(bundle)
    else:
        try:
            line.pack(bundle)
        except CommandFailed as refused:
            following.say("publisher", "refused", str(refused).splitlines()[1])
        line.publish_untried(bundle)
    following.say("publisher", "signed", f"{bundle.name} is in the registry")
    line.look()


if __name__ == "__main__":
    main()
