"""The photographs of the demo: where they lie, what the experts said, and who may learn from which.

The data set is `elpv-dataset` (2,624 electroluminescence photographs of solar cells, CC BY-NC-SA 4.0), an optional
dependency. This module finds and lists its files and never decodes one, so it needs the standard library only.
The demo and `examples/solar-cells/train.py` call it: both must agree about which cells a model has learned from.
"""

from __future__ import annotations

import hashlib
import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from agent.core.errors import BadData, MissingExtra

Part = Literal["train", "validation", "golden", "held-out"]
Truth = Literal["functional", "defective"]

PACKAGE: Final = "elpv_dataset"
IMAGES: Final = "data/images"
_LABELS: Final = "data/labels.csv"
_UPPER_PERCENT: Final[tuple[tuple[int, Part], ...]] = (
    (60, "train"),
    (72, "validation"),
    (75, "golden"),
    (100, "held-out"),
)


@dataclass(frozen=True, slots=True)
class Cell:
    """One photograph and what the experts said about it.

    Attributes:
        name: File name in the data set, such as `cell0001.png`.
        path: The installed file, an 8-bit grey PNG of 300x300.
        defect_probability: 0, 1/3, 2/3 or 1; the values between are cells the experts were unsure of.
        kind: Material of the cell.
    """

    name: str
    path: Path
    defect_probability: float
    kind: Literal["mono", "poly"]

    def sha256(self) -> str:
        """Digest of the file, in hexadecimal."""
        return hashlib.sha256(self.path.read_bytes()).hexdigest()


def cells() -> list[Cell]:
    """All cells of the installed data set, in the order of its table.

    Raises:
        MissingExtra: The data set is not installed.
        BadData: The data set is installed, but its table cannot be read.
    """
    root = _package_folder()
    table = root / _LABELS
    try:
        lines = table.read_text(encoding="ascii").splitlines()
        return [_cell(root, line) for line in lines if line.strip()]
    except (OSError, ValueError) as error:
        raise BadData(
            f"the labels of the data set cannot be read: {table}: {error}",
            hint="pip install --force-reinstall elpv-dataset",
        ) from error


def part_of(name: str) -> Part:
    """The part of the split that the photograph belongs to: 60, 12, 3 and 25 % of all names.

    A hash of the name alone decides, so the split is the same on every machine and for every release of the data set.
    It does not keep cells of one solar module together: the data set does not say which module a cell is from.
    """
    percent = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big") % 100
    return next(part for upper, part in _UPPER_PERCENT if percent < upper)


def truth(cell: Cell) -> Truth | None:
    """What the cell is when the experts were sure, else None (probability 1/3 and 2/3)."""
    if cell.defect_probability == 0.0:
        return "functional"
    if cell.defect_probability == 1.0:
        return "defective"
    return None


def _package_folder() -> Path:
    # The package itself is not imported: that would need Pillow for nothing.
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise MissingExtra("the photographs of solar cells are not installed", hint="pip install 'lineside[demo]'")
    return Path(spec.submodule_search_locations[0])


def _cell(root: Path, line: str) -> Cell:
    # The table is called .csv and separates its columns by spaces: "images/cell0001.png  1.0   mono".
    file, probability, kind = line.split()
    if kind not in ("mono", "poly"):
        raise ValueError(f"unknown kind of cell {kind!r}")
    name = Path(file).name
    return Cell(name, root / IMAGES / name, float(probability), "mono" if kind == "mono" else "poly")
