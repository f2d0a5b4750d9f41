"""`python -m benchmarks [NAME …]`: run benchmarks one after the other, write the results, print the table."""

from __future__ import annotations

import argparse
import importlib
import re
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast

from benchmarks.harness import machine
from benchmarks.harness.context import ASSETS_VARIABLE, Assets, AssetsMissing, Context
from benchmarks.harness.figures import Figure, NotMeasured
from benchmarks.harness.quiet import Quiet
from benchmarks.harness.results import Results, section

if TYPE_CHECKING:
    from collections.abc import Sequence

ORDER = (
    "throughput", "two-streams", "latency", "overload", "preprocess", "gate", "memory", "start", "idle", "encode",
    "spool", "drift", "isolation", "swaps", "polls", "update", "update-memory",
)  # fmt: skip
_RESULTS = Path(__file__).parent / "results"
_USAGE = 2
_TERMINATED = 143


class Benchmark(Protocol):
    """What each module of a benchmark has."""

    def measure(self, ctx: Context, runs: int) -> list[Figure]:
        """Run it, `runs` interleaved rounds.

        Raises:
            NotMeasured: None of its figures can be had here.
        """
        ...


def benchmark(name: str) -> Benchmark:
    """The module of a benchmark."""
    return cast("Benchmark", importlib.import_module(f"benchmarks.{name.replace('-', '_')}"))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what was asked for.

    Returns:
        0, whatever the figures say; 2 if there is nothing to measure with.
    """
    options = _options(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(_TERMINATED))  # so that every child is ended on the way out
    try:
        assets = Assets.find()
    except AssetsMissing as error:
        sys.stderr.write(
            f"nothing to measure with: {error}\n  next: {ASSETS_VARIABLE}=/path/to/assets make bench"
            " (a folder with models/ and data/, see benchmarks/README.md)\n"
        )
        return _USAGE
    facts = machine.facts()
    name = options.machine or machine.slug(facts["processor"], facts["cores"])
    results = Results(options.out, name, ORDER)
    with tempfile.TemporaryDirectory(prefix="lineside-bench-") as folder:
        ctx = Context(assets, Path(folder), quick=options.quick)
        text = ""
        for chosen in options.names or ORDER:
            part = _part(ctx, chosen, options.runs, facts)
            text = results.write(
                facts, ctx.peers.versions, {chosen: part}
            )  # after each, so that an abort loses only the rest
    sys.stdout.write(text)
    sys.stderr.write(f"written: {results.json_file.name} and {results.table_file.name} in {options.out}\n")
    return 0


def _part(ctx: Context, name: str, runs: int, facts: dict[str, object]) -> dict[str, object]:
    sys.stderr.write(f"{name}\n")
    load, began_s, quiet = machine.load(), time.monotonic(), Quiet()
    try:
        figures = benchmark(name).measure(ctx, runs)
    except NotMeasured as error:
        figures = [Figure("everything", reason=str(error))]
        ctx.say(f"not measured: {error}")
    for figure in figures:
        median = "–" if figure.median is None else f"{figure.median:.3f} {figure.unit}".strip()
        sys.stderr.write(f"  = {figure.name:<56} {median:>12}  {figure.verdict}\n")
    took_s, others = time.monotonic() - began_s, quiet.report()
    sys.stderr.write(f"  took {took_s:.0f} s; others kept {others['others_cores']:.2f} cores busy meanwhile\n")
    return section(figures, facts=facts, load=load, quiet=others, took_s=took_s, quick=ctx.quick)


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"which to run, all by default: {', '.join(ORDER)}")
    parser.add_argument("--runs", type=_positive, default=5, help="interleaved rounds (5)")
    parser.add_argument("--out", type=Path, default=_RESULTS, help="folder of the results (benchmarks/results)")
    parser.add_argument("--machine", type=_name, help="name of the results instead of the processor's")
    parser.add_argument(
        "--quick", action="store_true", help="shorter durations, to see that it runs; the table says so"
    )
    options = parser.parse_args(arguments)
    unknown = [name for name in options.names if name not in ORDER]
    if unknown:
        parser.error(f"no such benchmark: {', '.join(unknown)}; there are {', '.join(ORDER)}")
    return options


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("at least 1")
    return value


def _name(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", text):
        raise argparse.ArgumentTypeError("letters, digits, . _ - only")
    return text


if __name__ == "__main__":
    sys.exit(main())
