"""What is kept of a run: one JSON file a machine, and the same as a table. A benchmark that is run alone replaces only its part."""

from __future__ import annotations

import json
import re
from dataclasses import asdict
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from benchmarks.harness import machine, table
from benchmarks.harness.figures import Bound, Figure

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

SCHEMA = "lineside.benchmarks/1"
Document = dict[str, Any]


def section(
    figures: Iterable[Figure],
    *,
    facts: Document,
    load: list[float],
    quiet: dict[str, float],
    took_s: float,
    quick: bool,
) -> Document:
    """One benchmark's part: when and under what load it ran, on which versions, and every value of every round."""
    return {
        "at": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "took_s": round(took_s, 1),
        "quick": quick,
        "load_before": load,
        "load_after": machine.load(),
        **quiet,
        "commit": facts["commit"],
        "versions": facts["versions"],
        "figures": [
            asdict(figure)
            | {"reason": figure.reason and without_places(figure.reason)}
            | {"median": figure.median, "spread": figure.spread, "verdict": figure.verdict}
            for figure in figures
        ],
    }


def without_places(text: str) -> str:
    """A reason without folders and addresses of this machine, since results are shown to others."""
    text = re.sub(r"\w+://\S+", "<address>", text)
    return re.sub(r"(?:/[\w.+-]+)+/(?=[\w.+-])", "…/", text)


def as_json(document: Document) -> str:
    """Indented, with each list of numbers on one line and no more digits than were measured."""
    text = json.dumps(_rounded(document), indent=1, ensure_ascii=False) + "\n"
    return re.sub(r"\[[\s\d.,e+-]+\]", lambda numbers: re.sub(r"\s+", " ", numbers[0]), text)


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return float(f"{value:.6g}")
    if isinstance(value, dict):
        return {key: _rounded(inner) for key, inner in value.items()}
    return [_rounded(inner) for inner in value] if isinstance(value, (list, tuple)) else value


def figure_of(kept: Document) -> Figure:
    """A figure as it was before it was written."""
    return Figure(
        name=kept["name"],
        unit=kept["unit"],
        values=tuple(kept["values"]),
        bound=Bound(**kept["bound"]) if kept["bound"] else None,
        parts={name: tuple(values) for name, values in kept["parts"].items()},
        reason=kept["reason"],
        note=kept["note"],
    )


class Results:
    """`<machine>.json` and `<machine>.md` in a folder."""

    def __init__(self, folder: Path, name: str, order: Iterable[str]) -> None:
        """Store.

        Args:
            folder: Made when it is missing.
            name: Of the machine.
            order: Of the benchmarks in the table.
        """
        self._folder, self._name, self._order = folder, name, tuple(order)
        self.json_file = folder / f"{name}.json"
        self.table_file = folder / f"{name}.md"

    def write(self, facts: Document, peers: dict[str, dict[str, str]], sections: Document) -> str:
        """Put new parts in the place of old ones, and write both files.

        Returns:
            The Markdown.
        """
        kept = self._kept()
        merged = kept.get("benchmarks", {}) | sections
        document = {
            "schema": SCHEMA,
            "machine": {"name": self._name, **facts},
            "peers": kept.get("peers", {}) | peers,
            "benchmarks": {name: merged[name] for name in self._order if name in merged},
        }
        self._folder.mkdir(parents=True, exist_ok=True)
        text = markdown(document)
        _replace(self.json_file, as_json(document))
        _replace(self.table_file, text)
        return text

    def _kept(self) -> Document:
        if not self.json_file.exists():
            return {}
        kept: Document = json.loads(self.json_file.read_text("utf-8"))
        return kept if kept.get("schema") == SCHEMA else {}


def _replace(file: Path, text: str) -> None:
    """As a whole, so that an hour of measuring is not lost to an abort in between."""
    unfinished = file.with_suffix(f"{file.suffix}.part")
    unfinished.write_text(text, encoding="utf-8")
    unfinished.replace(file)


def markdown(document: Document) -> str:
    """The whole document as a person reads it."""
    facts = dict(document["machine"])
    name = facts.pop("name")
    facts["peers"] = {peer: f"({_listed(versions)})" for peer, versions in document["peers"].items()} or "none"
    facts["load before each (1, 5, 15 minutes)"] = {
        benchmark: part["load_before"] for benchmark, part in document["benchmarks"].items()
    }
    facts["cores that others kept busy meanwhile"] = {
        benchmark: part["others_cores"] for benchmark, part in document["benchmarks"].items()
    }
    rows = [
        table.row(benchmark + (" (quick)" if part["quick"] else ""), figure_of(kept))
        for benchmark, part in document["benchmarks"].items()
        for kept in part["figures"]
    ]
    return table.document(f"Benchmarks on {name}", facts, rows)


def _listed(versions: dict[str, str]) -> str:
    return ", ".join(f"{package} {version}" for package, version in versions.items())
