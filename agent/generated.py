"""Files of the reference that are written from the code: one way to write them, and to tell where they differ.

Called by the modules that are run as `python -m agent.….reference`; never by the agent itself.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def keep(folder: Path, files: Mapping[str, str], arguments: Sequence[str] | None, *, alone: bool = False) -> int:
    """Write files, or with `--check` among the arguments compare them.

    Args:
        folder: Where they lie, unless `--folder` names another.
        files: Name to text.
        arguments: Of the command line; None for those of this process.
        alone: Nothing else may lie in the folder.

    Returns:
        The exit code: 1 if `--check` found a difference, else 0.
    """
    parser = argparse.ArgumentParser(description=f"Writes the generated files of {folder}.")
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 where a file differs")
    parser.add_argument("--folder", type=Path, default=folder, help="where the files lie (default: %(default)s)")
    options = parser.parse_args(arguments)
    found = {path.name: path.read_text(encoding="utf-8") for path in options.folder.glob("*") if path.is_file()}
    looked_at = files.keys() | found.keys() if alone else files.keys()
    differing = sorted(name for name in looked_at if files.get(name) != found.get(name))
    for name in differing:
        path = options.folder / name
        if options.check:
            sys.stderr.write(f"{path} differs from the code; next: make reference\n")
        elif name in files:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(files[name], encoding="utf-8")
        else:
            path.unlink()
    return int(options.check and bool(differing))
