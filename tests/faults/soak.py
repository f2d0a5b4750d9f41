"""`make soak`: two lines under mixed faults for SECONDS or MINUTES, and what that did to messages, memory, threads, files and disk.

The agent of the line `steady` is never restarted, so that what grows can grow; that of `restarted` is killed and stopped as well.
Exits with 1 if an accepted event was lost or reordered, or more than the window came again after an interruption, or something of the
steady line gains more than its bound over the second half (see `harness.growth`), or the disk of either.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path

from harness.growth import Growth, judge
from harness.hostile import VERBS, command
from harness.ordeal import AGENT, BROKER, CAMERA, COMMANDS, Ordeal
from harness.plant import PERSISTENT, Plant, pipeline
from harness.stranger import Stranger
from harness.table import Row, aligned, as_markdown, as_text
from mjpeg import MjpegServer

MB = 1e6
_LINES = 12
"""Of the table over time."""
_COMMANDS_EACH = 20


def main() -> int:
    options = _options()
    print(f"soak of {options.seconds:g} s, --seed={options.seed}", flush=True)
    with tempfile.TemporaryDirectory(prefix="lineside-soak-") as folder, ExitStack() as stack:
        ordeals = [
            _line(stack, Path(folder) / name, name, kinds, random.Random(f"{options.seed} {name}"))
            for name, kinds in (
                ("steady", BROKER + CAMERA + COMMANDS),
                ("restarted", BROKER + CAMERA + COMMANDS + AGENT * 3),
            )
        ]
        rows, growths = [], {}
        faults = _hurt_all(ordeals, time.monotonic() + options.seconds)
        for ordeal in ordeals:
            found, told, grown = _end(ordeal)
            rows += found
            faults += told
            growths[ordeal.name] = grown
        _report(options, ordeals, rows, growths, faults)
    return 1 if faults else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=120.0)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument(
        "--report", type=Path, default=Path("build/soak"), help="without suffix; .json and .md are added"
    )
    return parser.parse_args()


def _line(stack: ExitStack, folder: Path, name: str, kinds: tuple[str, ...], rng: random.Random) -> Ordeal:
    """A line with a folder of pictures, a camera and commands; started."""
    camera = stack.enter_context(MjpegServer(fps=10))
    folder.mkdir()
    tables = (
        f'[sources.cam]\ntype = "camera"\nurl = "{camera.url}"\nread_timeout_s = 1\nopen_timeout_s = 2\nstale_after_s = 2\n'
        + pipeline("camera", "cam")
        + f"[commands]\nallow = {json.dumps(VERBS)}\n"
    )
    plant = stack.enter_context(
        Plant(folder, rate_hz=20, tables=tables, mqtt="keepalive_s = 5\n", broker_options=PERSISTENT)
    )
    plant.start()
    return Ordeal(name, plant, camera, rng, kinds, lambda: _say_commands(plant, rng))


def _say_commands(plant: Plant, rng: random.Random) -> None:
    """Hostile ones, and one that makes the line run again whatever they did."""
    stranger = Stranger(plant.broker.port)
    for _ in range(_COMMANDS_EACH):
        stranger.say(command(rng))
    stranger.ask("resume", f"soak-{rng.random()}")
    stranger.close()


def _hurt_all(ordeals: list[Ordeal], until_s: float) -> list[str]:
    """Let them run; what ended one of them early."""
    with ThreadPoolExecutor(len(ordeals)) as pool:
        running = {ordeal.name: pool.submit(ordeal.run, until_s) for ordeal in ordeals}
    return [f"{name}: {error!r}" for name, one in running.items() if (error := one.exception()) is not None]


def _end(ordeal: Ordeal) -> tuple[list[Row], list[str], list[Growth]]:
    """Stop a line: its rows, what is wrong with it, and how it grew."""
    code = ordeal.plant.stop()
    verdict = ordeal.plant.verdict(heard_s=5.0)
    injected = sum(map(len, ordeal.healthy_s.values()))
    everything = [took_s for each in ordeal.healthy_s.values() for took_s in each]
    rows = [Row.of(f"{ordeal.name}: all together", injected, verdict, everything)]
    rows += [Row(f"  {kind}", len(took), healthy_s=took) for kind, took in sorted(ordeal.healthy_s.items())]
    is_steady = ordeal.name == "steady"
    growths = judge(ordeal.samples) if is_steady else judge(ordeal.samples, ["disk_bytes"])
    faults = [f"{ordeal.name}: {fault}" for fault in verdict.faults()]
    faults += [f"{ordeal.name}: exit code {code} after SIGTERM:\n{ordeal.plant.agent.log[-3000:]}"] if code else []
    faults += [f"{ordeal.name}: {g.what} grows" for g in growths if g.is_endless]
    if is_steady and len({sample.pid for sample in ordeal.samples}) > 1:
        faults.append("steady: the agent did not stay the same")
    return rows, faults, growths


def _over_time(ordeal: Ordeal) -> list[list[str]]:
    samples = ordeal.samples
    picked = [samples[round(k * (len(samples) - 1) / (_LINES - 1))] for k in range(_LINES)] if samples else []
    cells = [["at s", "pid", "memory MB", "threads", "files", "disk MB"]]
    for s in dict.fromkeys(picked):
        figures = (f"{s.memory_bytes / MB:.1f}", s.threads, s.files, f"{s.disk_bytes / MB:.2f}")
        cells.append([f"{s.at_s:.0f}", str(s.pid), *map(str, figures)])
    return cells


def _grown(growths: dict[str, list[Growth]]) -> list[list[str]]:
    cells = [["second half", "begins at", "gains", "may gain", ""]]
    for name, each in growths.items():
        for g in each:
            figures = [f"{value:,.0f}" for value in (g.begin, g.gain, g.bound)]
            cells.append([f"{name} {g.what}", *figures, "GROWS" if g.is_endless else "ok"])
    return cells


def _report(
    options: argparse.Namespace,
    ordeals: list[Ordeal],
    rows: list[Row],
    growths: dict[str, list[Growth]],
    faults: list[str],
) -> None:
    for ordeal in ordeals:
        print(f"\n{ordeal.name}, over time\n{aligned(_over_time(ordeal), left=())}")
    has_growth = any(growths.values())
    growth = aligned(_grown(growths)) if has_growth else "too few samples to judge growth"
    print(f"\n{growth}\n\n{as_text(rows)}\n")
    print("\n".join(faults) or "nothing lost, nothing reordered, nothing grows without end")
    options.report.parent.mkdir(parents=True, exist_ok=True)
    body = {
        "seconds": options.seconds,
        "seed": options.seed,
        "faults": faults,
        "rows": [row.as_dict() for row in rows],
        "growth": {name: [asdict(g) for g in each] for name, each in growths.items()},
        "samples": {ordeal.name: [asdict(s) for s in ordeal.samples] for ordeal in ordeals},
    }
    options.report.with_suffix(".json").write_text(json.dumps(body, indent=1) + "\n", encoding="utf-8")
    text = f"{options.seconds:g} s, seed {options.seed}\n\n{as_markdown(rows)}\n```\n{growth}\n```\n"
    options.report.with_suffix(".md").write_text(text, encoding="utf-8")
    print(f"written: {options.report.with_suffix('.json')}, {options.report.with_suffix('.md')}")


if __name__ == "__main__":
    sys.exit(main())
