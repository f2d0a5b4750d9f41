"""A registry as an operator makes one: by the commands of `lineside registry`, with a server in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any, final

from benchmarks.harness import processes
from benchmarks.harness.agent import LINESIDE
from benchmarks.harness.figures import NotMeasured

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

_COMMAND_S = 120.0
_SERVE_S = 60.0
_SYNC_S = 300.0


@final
class Registry:
    """Made with one model; served within `with`.

    Attributes:
        url: Where it is served.
        root: Its first root, for a device.
    """

    def __init__(self, folder: Path, model: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._passphrase = folder / "passphrase"
        self._passphrase.write_text("correct horse battery\n", encoding="utf-8")
        self._server: subprocess.Popen[str] | None = None
        self.url = ""
        self.root = folder / "registry" / "public" / "metadata" / "1.root.json"
        self._run("init", folder / "registry", "--offline-keys", folder / "offline")
        self._run("owner-key", folder / "owner.pem")
        targets, owner = folder / "offline" / "targets.pem", folder / "owner.pub"
        self._run("add-model", model, "--owner", owner, "--targets-key", targets, "-r", folder / "registry")

    def __enter__(self) -> Registry:
        command: processes.Command = [LINESIDE, "registry", "serve", self._folder / "registry", "--port", "0"]
        self._server = processes.start(command, stdout=subprocess.PIPE)
        try:
            line = processes.first_line(self._server, _SERVE_S, what="lineside registry serve")
        except NotMeasured:
            processes.stop(self._server)
            raise
        self.url = line.removeprefix("listening on ")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._server is not None:
            processes.stop(self._server)

    @property
    def pid(self) -> int:
        """Of the server."""
        assert self._server is not None  # noqa: S101 - within `with`
        return self._server.pid

    @property
    def port(self) -> int:
        """Of the server."""
        return int(self.url.rpartition(":")[2].rstrip("/"))

    def publish(self, bundle: Path, channel: str) -> None:
        """A packed bundle, which the channel gets at once."""
        key = self._folder / "owner.pem"
        self._run("publish", bundle, "--channel", channel, "--key", key, "-r", self._folder / "registry")

    def assign(self, channel: str, model: str, version: str) -> None:
        """What a channel should have."""
        command: processes.Command = [
            LINESIDE,
            "registry",
            "channel",
            channel,
            f"{model}={version}",
            "-r",
            self._folder / "registry",
        ]
        processes.run(command, _COMMAND_S, what="lineside registry channel")

    def _run(self, verb: str, *arguments: str | Path) -> None:
        command: processes.Command = [LINESIDE, "registry", verb, *arguments, "--passphrase-file", self._passphrase]
        processes.run(command, _COMMAND_S, what=f"lineside registry {verb}")


def sync(order: dict[str, Any]) -> dict[str, Any]:
    """One sync in the process that the agent starts, and its outcome.

    Raises:
        NotMeasured: It said none.
    """
    done = subprocess.run(
        [sys.executable, "-m", "cloud_sync.device"],
        input=json.dumps(order, default=str),
        capture_output=True,
        text=True,
        timeout=_SYNC_S,
        check=False,
        env=processes.environment(),
    )
    try:
        outcome: dict[str, Any] = json.loads(processes.last_line(done.stdout))["outcome"]
    except (ValueError, KeyError) as error:
        raise NotMeasured(f"a sync ended with {done.returncode}: {processes.last_line(done.stderr)}") from error
    return outcome
