"""`lineside doctor`: is this machine fit for it, and do its cameras, models and broker answer?"""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from agent.cli import output
from agent.cli.output import ConfigOption, JsonOption
from agent.cli.serve import DEFAULT_CONFIG


def doctor(
    config: ConfigOption = DEFAULT_CONFIG,
    source: Annotated[str, typer.Option(help="Look at this source only.", metavar="NAME")] = "",
    as_json: JsonOption = False,
) -> None:
    """Examine the machine: runtime, delegates, OpenCV, clock, disk, and with a configuration its cameras and its broker.

    Exit codes: 0 nothing of severity error, 3 something is.
    """
    from agent.core.errors import ConfigInvalid
    from agent.diagnosis.examination import examine

    findings = examine(Path(config), only_source=source or None, named=config != DEFAULT_CONFIG)
    errors = sum(finding.severity == "error" for finding in findings)
    lines = []
    for finding in findings:
        mark = {"info": "ok", "warning": "warning", "error": "error"}[finding.severity]
        lines.append(f"{mark:<8}{finding.code:<16}{finding.message}")
        if finding.hint:
            lines.append(f"{'':<24}next: {finding.hint}")
    data = {"errors": errors, "findings": [asdict(finding) for finding in findings]}
    output.result(data, "\n".join(lines), as_json=as_json)
    sys.exit(ConfigInvalid.exit_code if errors else 0)
