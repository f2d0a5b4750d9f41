"""`lineside sync now|status|import|enroll`: new versions of models, by hand.

Asks the running agent over its control socket; where none runs, `import` and `enroll` do it themselves, under the lock of the state directory.
"""

from __future__ import annotations

import contextlib
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from agent.cli import output
from agent.cli.output import ConfigOption, JsonOption
from agent.cli.serve import DEFAULT_CONFIG

if TYPE_CHECKING:
    from agent.config.settings import AgentSettings
    from agent.life.assembly import Lives
    from agent.sync.job import SyncJob

app = typer.Typer(help="Have new versions of models looked for, fetched and taken into work.")

_LOOK_S = 0.3
TimeoutOption = Annotated[
    float, typer.Option("--timeout", help="Seconds to wait for the end; the sync itself goes on.", metavar="SECONDS")
]


@app.callback(invoke_without_command=True)
def _root(context: typer.Context) -> None:
    output.demand_a_command(context)


@app.command()
def now(config: ConfigOption = DEFAULT_CONFIG, timeout_s: TimeoutOption = 600.0, as_json: JsonOption = False) -> None:
    """Have the running agent look for new versions now, whatever the maintenance window says, and wait for the end.

    Exit codes: 0 all that is wanted works or is on its way, 1 it failed, 4 no agent or no registry answers, 5 not trusted.
    """
    _finish(_asked(_settings(config), "sync now", timeout_s), as_json=as_json)


@app.command()
def status(config: ConfigOption = DEFAULT_CONFIG, as_json: JsonOption = False) -> None:
    """Show what runs, what is wanted, what is happening, the last error and the next try.

    Exit codes: 0 done, also where no agent runs, 1 no model comes from a registry.
    """
    from agent.control import ask
    from agent.lock import holder

    settings = _settings(config)
    state_dir = settings.device.state_dir
    answer = ask(state_dir, "sync status") if holder(state_dir) is not None else _alone(settings)[2]()
    output.result(answer, render(answer), as_json=as_json)


@app.command("import")
def import_(
    folder: Annotated[
        Path, typer.Argument(help="Folder that `lineside registry export` has filled.", metavar="DIR", exists=False)
    ],
    config: ConfigOption = DEFAULT_CONFIG,
    timeout_s: TimeoutOption = 600.0,
    as_json: JsonOption = False,
) -> None:
    """Take new versions from a folder, such as a USB stick: verified like everything that comes from the registry.

    Exit codes: 0 all that is wanted works or is on its way, 1 it failed, 4 something is not in the folder, 5 not trusted.
    """
    from agent.core.errors import UsageError

    if not folder.is_dir():
        raise UsageError(f"{folder} is no folder", hint="lineside registry export --to DIR fills one")
    settings, place = _settings(config), folder.resolve()
    answer = (
        _asked(settings, "sync import", timeout_s, dir=str(place))
        if _runs(settings)
        else _by_hand(settings, import_dir=place)
    )
    _finish(answer, as_json=as_json)


@app.command()
def enroll(
    token: Annotated[
        str | None,
        typer.Option(
            "--token",
            help="Admits this device id once; without one an operator has to approve. `-` reads it from stdin.",
            metavar="TOKEN",
        ),
    ] = None,
    config: ConfigOption = DEFAULT_CONFIG,
    timeout_s: TimeoutOption = 120.0,
    as_json: JsonOption = False,
) -> None:
    """Introduce this device to the registry with a key that never leaves it.

    Exit codes: 0 admitted, or waiting for an operator, 1 refused, 4 no registry answers, 5 not trusted.
    """
    import sys

    from agent.sync.outcome import enrolment_exit_code

    settings = _settings(config)
    given = sys.stdin.readline().strip() if token == "-" else token or ""  # noqa: S105 - a sign for stdin
    if _runs(settings):
        answer = _asked(settings, "sync enroll", timeout_s, token=given)
    else:
        answer = _by_hand(settings, enrol_token=given)
    output.result(answer, render(answer), as_json=as_json)
    if code := enrolment_exit_code(answer["last"]):
        raise typer.Exit(code)


def _settings(config: str) -> AgentSettings:
    from agent.config.loading import load

    return load(Path(config)).usable()


def _runs(settings: AgentSettings) -> bool:
    from agent.lock import holder

    return holder(settings.device.state_dir) is not None


def _asked(settings: AgentSettings, question: str, timeout_s: float, **details: Any) -> dict[str, Any]:
    """What the agent came to, as its status.

    Raises:
        AgentUnreachable: None runs, or it is not done in time.
        BadData: It will not, and says why.
    """
    from agent.control import ask
    from agent.core.errors import AgentUnreachable

    state_dir = settings.device.state_dir
    number = ask(state_dir, question, **details)["asked"]
    until_s, said = time.monotonic() + timeout_s, ""
    while True:
        answer = ask(state_dir, "sync status")
        if answer["done"] >= number:
            return answer
        if answer["doing"] and answer["doing"] != said:
            said = answer["doing"]
            output.talk(f"the agent is {said}")
        if time.monotonic() > until_s:
            raise AgentUnreachable(f"the sync was not done within {timeout_s:g} s", hint="lineside sync status")
        time.sleep(_LOOK_S)


def _by_hand(settings: AgentSettings, **asked: Any) -> dict[str, Any]:
    """Do it here; what was staged is judged here too, and works from the next start on."""
    from agent.lock import StateLock

    job, lives, told = _alone(settings)
    with StateLock(settings.device.state_dir):
        lives.look()
        job.once(**asked)
        lives.life.close(is_clean=False)  # that this went well says nothing of how the agent's own runs end
    answer: dict[str, Any] = told()
    return answer


def _alone(settings: AgentSettings) -> tuple[SyncJob, Lives, Any]:
    """The sync of a device whose agent does not run, and what its status is.

    Raises:
        BadData: No model comes from a registry.
    """
    from agent import __version__
    from agent.life.assembly import Lives
    from agent.models.shelf import ModelShelf
    from agent.models.stored import told
    from agent.models.trial import Prover
    from agent.sync.assembly import make_job
    from agent.sync.desk import SyncDesk, no_registry
    from cloud_sync.store import ModelStore
    from device_profiles import detect

    if not settings.syncs:
        raise no_registry()
    device = settings.device
    store, prover = ModelStore(device.state_dir), Prover(device.state_dir)
    shelf = ModelShelf(
        settings.models,
        settings.runtime,
        prover,
        store=store,
        streams=len(settings.pipelines),
        on_version=lambda _name, _version: None,
        on_finding=lambda _name, _finding: None,
    )
    lives = Lives(
        settings.models,
        settings.pipelines,
        {},
        store=store,
        shelf=shelf,
        state_dir=device.state_dir,
        absent={pipeline.model for pipeline in settings.pipelines.values()},
    )
    job = make_job(
        settings.sync,
        settings.runtime,
        settings.models,
        lives.life,
        store=store,
        shelf=shelf,
        prover=prover,
        device=device.id,
        profile=detect().profile.name if device.profile == "auto" else device.profile,
        state_dir=device.state_dir,
        agent_version=__version__,
    )

    def models() -> dict[str, Any]:
        found = {}
        for name, model in settings.models.items():
            if (registry := model.registry) is None:
                continue
            active, previous, rejected, staged = (
                store.active(registry),
                store.previous(registry),
                store.rejected().get(registry),
                store.staged().get(registry),
            )
            found[name] = {
                "registry": registry,
                "active": active and _plain(told(active, "active", "works from the next start on")),
                "candidate": (staged and _plain(told(staged, "staged", "tried from the next start on")))
                or (rejected and {"version": rejected.digest[:12], "state": "rejected", "reason": rejected.reason}),
                "previous": previous and _plain(told(previous, "previous", None)),
            }
        return found

    _recall(job, device.state_dir)
    desk = SyncDesk(job, models)
    return job, lives, lambda: desk.status() | {"state": "absent"}


def _recall(job: SyncJob, state_dir: Path) -> None:
    """Tell the job how the last sync ended, as far as anybody knows: the agent, or an earlier command, had another one."""
    from agent.sync.outcome import outcome_of
    from cloud_sync.device.journal import FOLDER, last_outcome

    found = last_outcome(state_dir / FOLDER)
    if found is not None:
        with contextlib.suppress(ValueError):
            job.recall(str(found.get("at")), outcome_of(found))


def _plain(version: Any) -> dict[str, Any]:
    from dataclasses import asdict

    return asdict(version)


def _finish(answer: dict[str, Any], *, as_json: bool) -> None:
    """Print a status, and leave with the exit code of its last sync."""
    from agent.sync.outcome import exit_code

    output.result(answer, render(answer), as_json=as_json)
    if code := exit_code(answer["last"]):
        raise typer.Exit(code)


def render(answer: dict[str, Any]) -> str:
    """The answer of `agent.sync.desk.SyncDesk.status`, for people."""
    from agent.sync.status import version_words, words

    rows = [(name, model["registry"], *version_words(model)) for name, model in answer["models"].items()]
    head = ("model", "in the registry", "runs", "wanted", "before", "what is happening")
    return "\n".join([*words(answer), "", output.table(rows, head=head) if rows else "no model comes from a registry"])
