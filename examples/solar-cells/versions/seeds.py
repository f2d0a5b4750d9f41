"""How sure is it? Twenty versions that are better than the one at work, twenty that are worse, each through its whole life on the line.

    python examples/solar-cells/versions/seeds.py --out seeds.md

Each seed learns from other cells, with other labels wrong. Whether it really is better is known here, and to nobody on the line: the table
compares both on all parts of the belt. 20 minutes on two cores.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from candidates import FIRST_SEED, head, part, trained, write_bundle
from following import Following, gaps
from heads import Heads, said_defective
from inspector import Inspector
from line import CommandFailed, line_with
from listening import Silent, Subscriber
from run import FIRST, GATES, RATE_HZ

if TYPE_CHECKING:
    from collections.abc import Iterator

    from candidates import Labels

    from agent.demo.cells import Cell

_KINDS: dict[str, tuple[Labels, Labels]] = {"better": ("hurried", "right"), "worse": ("right", "careless")}
"""Who labelled the cells of the first version, and of those that come."""
_STATE_S = 240.0


@dataclass(frozen=True, slots=True)
class Life:
    """Of one version.

    Attributes:
        kind: What it was meant to be.
        seed: Of it.
        gain: By how much larger its share of right decisions is than that of the version before, on all parts of the belt.
        ending: See `candidates.Candidate`; `open` where there was none in time.
        ended_in: The state in which that was decided; `pack` where it did not get as far as the line.
        reason: In the agent's words.
        took_s: From its publication.
    """

    kind: str
    seed: int
    gain: float
    ending: str
    ended_in: str
    reason: str
    took_s: float

    @property
    def is_right(self) -> bool:
        """A better one stays, one that is no better does not."""
        return (self.ending == "confirmed") == (self.gain > 0)


def main() -> None:
    """Run them, and write the table."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--seeds", type=int, default=20, help="of each kind")
    options.add_argument("--out", type=Path, default=Path("seeds.md"))
    given = options.parse_args()
    heads = Heads()
    lives = []
    for kind in _KINDS:
        for life in lives_of(kind, heads, given.seeds):
            lives.append(life)
            print(row(life), flush=True)
            given.out.write_text(table(lives), encoding="utf-8")
    sys.exit(0 if all(life.is_right for life in lives) else 1)


def lives_of(kind: str, heads: Heads, seeds: int) -> Iterator[Life]:
    """One line for all versions of a kind; what was confirmed is returned from before the next one comes."""
    before, after = _KINDS[kind]
    golden, belt = part("golden"), part("held-out")
    cells = {cell.name: cell for cell in belt}
    usual = right_share(heads, before, FIRST_SEED, belt)
    with tempfile.TemporaryDirectory(prefix="lineside-seeds-") as name:
        folder = Path(name)
        (folder / "line").mkdir()
        first = write_bundle(folder / FIRST, FIRST, trained(heads, before, FIRST_SEED), golden=golden)
        with line_with(folder / "line", first, belt, gates=GATES, rate_hz=RATE_HZ) as line:
            heard = Subscriber(line.port)
            with contextlib.closing(heard):
                Following(heard, "").first(FIRST)
                for seed in range(seeds):
                    version = f"2.0.{seed}"
                    bundle = write_bundle(folder / version, version, trained(heads, after, seed), golden=golden)
                    following = Following(heard, version)
                    gain, began_s = right_share(heads, after, seed, belt) - usual, time.monotonic()
                    try:
                        line.pack(bundle)
                    except CommandFailed as refused:
                        yield Life(
                            kind, seed, gain, "rejected", "pack", golden_fault(str(refused)), time.monotonic() - began_s
                        )
                        continue
                    line.publish(bundle)
                    line.look()
                    inspector = Inspector(line, heard, cells, version)
                    inspector.start()
                    with contextlib.closing(inspector), contextlib.suppress(Silent):
                        following.end(_STATE_S)
                    ending, reason = following.ending or "open", following.reason
                    yield Life(kind, seed, gain, ending, following.ended_in, reason, time.monotonic() - began_s)
                    if following.ending == "confirmed":
                        line.go_back()
                        Following(heard, "").returned(FIRST)
            print(f"{len(heard.predictions)} predictions, {gaps(heard.predictions)} numbers missing", flush=True)


def golden_fault(words: str) -> str:
    """What `pack` had against a version."""
    return next((line.removeprefix("error: ") for line in words.splitlines() if line.startswith("error: ")), words)


def right_share(heads: Heads, labels: Labels, seed: int, cells: list[Cell]) -> float:
    """Of the decisions of a version on some cells, in 0..1, those right."""
    weights, bias = head(heads, labels, seed)
    return float(((heads.features(cells) @ weights + bias >= 0) == said_defective(cells)).mean())


def row(life: Life) -> str:
    """Of the table."""
    mark = "yes" if life.is_right else "**no**"
    cells = (
        life.kind,
        life.seed,
        f"{life.gain:+.3f}",
        f"{life.ending}, {life.ended_in}",
        mark,
        f"{life.took_s:.0f}",
        life.reason,
    )
    return f"| {' | '.join(str(cell) for cell in cells)} |"


def table(lives: list[Life]) -> str:
    """All of it in Markdown."""
    lines = [
        "| kind | seed | gain | ended | as it should | s | reason |",
        "| --- | ---: | ---: | --- | --- | ---: | --- |",
    ]
    lines += [row(life) for life in lives]
    for kind in _KINDS:
        of_kind = [life for life in lives if life.kind == kind]
        lines += ["", f"{kind}: {sum(life.is_right for life in of_kind)} of {len(of_kind)} ended as they should"]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
