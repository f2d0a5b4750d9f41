"""A part of the photographs as an evaluation set: links to the installed files, and a table of what is true of them.

    python examples/solar-cells/samples.py --part held-out --out cells

Cells that the experts were unsure of are left out: nobody knows what is right. A line shows them too, so for reference statistics, which
are of what a model says and not of whether it is right, they belong to it (`--unsure nearer`: as what they are more likely).
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path
from typing import get_args

from agent.demo.cells import Cell, Part, Truth, cells, part_of, truth


def nearer(cell: Cell) -> Truth:
    """What the cell is more likely."""
    return "defective" if cell.defect_probability > 0.5 else "functional"  # noqa: PLR2004 - as likely as not


def main() -> None:
    """Write the folder."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--part", choices=get_args(Part), default="held-out")
    options.add_argument("--unsure", choices=("leave-out", "nearer"), default="leave-out")
    options.add_argument("--out", type=Path, required=True, help="new folder")
    given = options.parse_args()
    known = nearer if given.unsure == "nearer" else truth
    chosen = [(cell, said) for cell in cells() if part_of(cell.name) == given.part and (said := known(cell))]
    given.out.mkdir(parents=True)
    for cell, _ in chosen:
        (given.out / cell.name).symlink_to(cell.path)
    with (given.out / "labels.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(("file", "label"))
        table.writerows((cell.name, said) for cell, said in chosen)
    print(f"{len(chosen)} cells in {given.out}")


if __name__ == "__main__":
    main()
