"""A part of the photographs as an evaluation set: links to the installed files, and a table of what is true of them.

    python examples/solar-cells/samples.py --part held-out --out cells

Cells that the experts were unsure of are left out.
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path
from typing import get_args

from agent.demo.cells import Part, cells, part_of, truth


def main() -> None:
    """Write the folder."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--part", choices=get_args(Part), default="held-out")
    options.add_argument("--out", type=Path, required=True, help="new folder")
    given = options.parse_args()
    chosen = [(cell, said) for cell in cells() if part_of(cell.name) == given.part and (said := truth(cell))]
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
