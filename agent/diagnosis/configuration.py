"""Does what a configuration names exist and work here? Opens models (each in a child process first) and looks at files."""

from __future__ import annotations

from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from agent.core.errors import LinesideError, ModelAwaited
from agent.core.findings import Finding
from agent.core.redact import without_password
from agent.sources.camera.address import file_path, kind_of
from agent.sources.camera.settings import CameraSettings

if TYPE_CHECKING:
    from agent.config.settings import AgentSettings


def mqtt_findings(settings: AgentSettings) -> list[Finding]:
    """Password, certificate and key files that are not there: the broker would never be reached."""
    files = settings.mqtt.model_dump(include={"password_file", "ca_file", "cert_file", "key_file"}, exclude_none=True)
    hint = "put it there, or correct the path; it is read at each connect"
    return [
        Finding("no-mqtt-file", "error", f"mqtt.{key}: {path} is not there", hint)
        for key, path in files.items()
        if not path.is_file()
    ]


def sync_findings(settings: AgentSettings) -> list[Finding]:
    """A registry whose address is not protected, and a root of trust that is not there. The agent runs all the same; it syncs not."""
    sync, findings = settings.sync, []
    if sync.url is not None and not sync.insecure_http and not is_protected(sync.url):
        message = f"sync.url: {without_password(sync.url)} is not protected by TLS, so nothing is fetched from there"
        hint = "https://…, or sync.insecure_http = true where nobody listens"
        findings.append(Finding("insecure-address", "error", message, hint))
    if sync.root is not None and not sync.root.is_file():
        message, hint = (
            f"sync.root: {sync.root} is not there",
            "copy 1.root.json of the registry there, on a way that you trust",
        )
        findings.append(Finding("no-root", "error", message, hint))
    return findings


def is_protected(url: str) -> bool:
    """Whether nobody on the network can read along: HTTPS, or this machine itself."""
    parts = urlsplit(url)
    if parts.scheme == "https":
        return True
    host = parts.hostname or ""
    try:
        return parts.scheme == "http" and (host == "localhost" or ip_address(host).is_loopback)
    except ValueError:
        return False


def source_findings(settings: AgentSettings) -> list[Finding]:
    """Files and folders of sources that are not there. A warning, because they may come: the agent tries again."""
    findings = []
    for name, source in settings.sources.items():
        if isinstance(source, CameraSettings) and kind_of(source.url) != "file":
            continue
        path = Path(file_path(source.url))
        if not path.exists():
            message = f"sources.{name}: {path} is not there"
            findings.append(Finding("no-source", "warning", message, "the agent tries it again and again"))
        elif isinstance(source, CameraSettings) and path.is_dir():
            message = f"sources.{name}: {path} is a folder, and a camera is none"
            findings.append(
                Finding("folder-as-camera", "error", message, 'for a folder of pictures set type = "images"')
            )
    return findings


def model_findings(settings: AgentSettings) -> list[Finding]:
    """What is wrong with each model that a pipeline uses, also with the pipeline's own decision."""
    if not settings.models:
        return []
    from agent.models.loading import load_model  # noqa: PLC0415 - OpenCV and the interpreter, for this question only
    from agent.models.proving import prove  # noqa: PLC0415
    from agent.models.shelf import execution, must_take_pictures  # noqa: PLC0415
    from agent.models.stored import open_any  # noqa: PLC0415

    findings: list[Finding] = []
    for name in dict.fromkeys(pipeline.model for pipeline in settings.pipelines.values()):
        if (model := settings.models.get(name)) is None:
            continue  # the configuration's own finding
        how = execution(model, settings.runtime, len(settings.pipelines))
        try:
            bundle = open_any(name, model, settings.device.state_dir)
            must_take_pictures(bundle)
            findings += prove(bundle, how, settings.runtime.limits()).findings
            for pipeline in settings.pipelines.values():
                if pipeline.model == name and pipeline.decision is not None:
                    load_model(bundle, how, decision=pipeline.decision, region=pipeline.seen).close()
        except ModelAwaited as error:
            findings.append(Finding(error.code, "warning", str(error), error.hint))
        except LinesideError as error:
            findings.append(Finding(error.code, "error", f"models.{name}: {error}", error.hint))
    return findings
