"""`lineside check CONFIG`: everything that is wrong with a configuration, before anything runs."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from agent.cli import output
from agent.cli.output import JsonOption
from agent.cli.serve import DEFAULT_CONFIG


def check(
    config: Annotated[Path, typer.Argument(help="Configuration file.", metavar="CONFIG")] = Path(DEFAULT_CONFIG),
    quick: Annotated[
        bool, typer.Option("--quick", help="Words only: open no model and no file that it names.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Check a configuration: keys, names, files, and whether each model runs here and fits its description.

    Exit codes: 0 nothing of severity error, 3 something is, 5 only that bundles differ from their manifests.
    """
    from agent.config.loading import load
    from agent.core.errors import ConfigInvalid, NotTrusted

    loaded = load(config)
    findings = list(loaded.findings)
    if loaded.settings is not None and not quick:
        from agent.diagnosis.configuration import model_findings, mqtt_findings, source_findings, sync_findings

        findings += [
            finding
            for look in (mqtt_findings, sync_findings, source_findings, model_findings)
            for finding in look(loaded.settings)
        ]
    errors = sum(finding.severity == "error" for finding in findings)
    warnings = sum(finding.severity == "warning" for finding in findings)
    for finding in findings if not as_json else ():
        output.finding(finding)
    profile = loaded.profile.name if loaded.profile else None
    files = [str(path) for path in loaded.files]
    data = {"files": files, "profile": profile, "errors": errors, "warnings": warnings}
    verdict = "cannot be used" if errors else "can be used"
    text = f"{config} {verdict}: {output.counted(errors, 'error')}, {output.counted(warnings, 'warning')}" + (
        f"; device profile {profile}" if profile else ""
    )
    output.result(data | {"findings": [asdict(finding) for finding in findings]}, text, as_json=as_json)
    distrusted = sum(finding.code == NotTrusted.code for finding in findings)
    sys.exit(0 if not errors else NotTrusted.exit_code if errors == distrusted else ConfigInvalid.exit_code)
