"""What `lineside doctor` asks, in the order in which a person would."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.config.loading import Loaded, load
from agent.control import ask
from agent.core.errors import AgentUnreachable
from agent.core.findings import Finding
from agent.diagnosis import cameras, machine, network
from device_profiles import detect

if TYPE_CHECKING:
    from pathlib import Path

    from agent.config.settings import AgentSettings


def examine(config: Path, *, only_source: str | None = None, named: bool = True) -> list[Finding]:
    """Examine this machine and what a configuration names.

    Args:
        config: The configuration.
        only_source: Look at this source and at nothing else.
        named: Whether the person named the configuration; if not, one that is not there is no fault.
    """
    loaded = load(config)
    if only_source is not None:
        return _one_source(loaded, only_source)
    findings = [
        machine.profile_finding(detect()),
        machine.runtime_finding(),
        machine.opencv_finding(),
        machine.clock_finding(),
        machine.camera_devices_finding(),
    ]
    if not named and not config.exists():
        message = f"{config} is not there, so cameras and broker were not asked"
        return [*findings, Finding("configuration", "warning", message, "lineside init, or lineside doctor -c FILE")]
    findings += loaded.errors
    return findings if loaded.settings is None else findings + _with_configuration(loaded.settings)


def _with_configuration(settings: AgentSettings) -> list[Finding]:
    delegates = [delegate.delegate() for delegate in settings.runtime.delegates]
    findings = [
        *machine.delegate_findings(delegates),
        machine.disk_finding(settings.device.state_dir),
        network.broker_finding(settings.mqtt),
    ]
    if (running := _running_sources(settings)) is not None:
        return findings + running
    used = {pipeline.source for pipeline in settings.pipelines.values()}
    return findings + cameras.source_findings({n: s for n, s in settings.sources.items() if n in used})


def _one_source(loaded: Loaded, name: str) -> list[Finding]:
    settings = loaded.usable()
    if name not in settings.sources:
        known = ", ".join(settings.sources)
        return [Finding("source", "error", f"there is no source {name}", f"known: {known}")]
    return cameras.source_findings({name: settings.sources[name]})


def _running_sources(settings: AgentSettings) -> list[Finding] | None:
    """What the running agent says of its sources: it holds the cameras, and most can be opened once only."""
    try:
        answer = ask(settings.device.state_dir, "status")
    except AgentUnreachable:
        return None
    findings = [Finding("agent", "info", f"runs with pid {answer['pid']}, {answer['status']['state']}")]
    for name, source in answer["sources"].items():
        well = source["state"] in ("ok", "ended", "connecting")
        message = f"{name}: {source['state']}" + (f", {source['reason']}" if source["reason"] else "")
        findings.append(Finding("source", "info" if well else "error", message))
    return findings
