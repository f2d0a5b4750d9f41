"""`lineside …` as a child process, as a person or a script meets it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from deadlines import LONG_S

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class Ran:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The one JSON object that stdout is."""
        assert self.out.count("\n") == 1, self.out
        return json.loads(self.out)


def environment(**changes: str) -> dict[str, str]:
    """This process's, without settings of the agent and with the changes."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("LINESIDE_")}
    return kept | {"NO_COLOR": "1", "COLUMNS": "200"} | changes


def lineside(*arguments: str | Path, cwd: Path | None = None, **env: str) -> Ran:
    """Run a command to its end. No traceback is ever shown, whatever went wrong."""
    command = [sys.executable, "-m", "agent", *map(str, arguments)]
    done = subprocess.run(
        command,
        check=False,
        cwd=cwd,
        env=environment(**env),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=2 * LONG_S,
    )
    ran = Ran(done.returncode, done.stdout, done.stderr)
    assert "Traceback" not in ran.err + ran.out, ran.err
    return ran
