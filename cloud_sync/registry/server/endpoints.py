"""The table of calls below `/api/v1`: what each does with the registry. The OpenAPI document is made from it."""

from __future__ import annotations

from dataclasses import asdict
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from cloud_sync import layout
from cloud_sync.registry.server import messages as m
from cloud_sync.registry.server.endpoint import SIGNED_BYTES, Call, Endpoint
from cloud_sync.registry.server.faults import NotAllowed, RequestInvalid
from cloud_sync.registry.types import PublishRequest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cloud_sync.registry.types import (
        Candidate,
        Change,
        DeviceInfo,
        ModelInfo,
        SubjectInfo,
        VersionInfo,
    )

_VERSION_BYTES: Final = 16 << 20
"""A manifest of 4 MB and metadata of 5, as JSON text."""
PIECE_BYTES: Final = 8 << 20
"""One piece of an upload."""

# -- blobs ------------------------------------------------------------------------------------------------------------------------


def _missing(call: Call) -> m.BlobsMissing:
    """Which of these files are not here, and from where on each has to be uploaded."""
    blobs = call.registry.blobs
    return m.BlobsMissing(missing={each: blobs.offset(each) for each in call.body.sha256 if not blobs.has(each)})


def _upload(call: Call) -> m.UploadState:
    """Add a piece to an upload. The last one completes it: it is compared with its digest, and kept or thrown away."""
    sha256 = call.path["sha256"]
    _demand_digest(sha256)
    blobs, query = call.registry.blobs, call.query
    if blobs.has(sha256):
        return m.UploadState(sha256=sha256, offset=blobs.size(sha256), complete=True)
    offset = blobs.append(sha256, query.offset, [call.body] if call.body else [])
    if offset < query.length:
        return m.UploadState(sha256=sha256, offset=offset, complete=False)
    blobs.commit(sha256, query.length)
    return m.UploadState(sha256=sha256, offset=query.length, complete=True)


# -- models -----------------------------------------------------------------------------------------------------------------------


def _publish(call: Call) -> m.Published:
    """Make a version visible, and give it to a channel: at once, or not at all. Its files are uploaded before."""
    body = call.body
    request = PublishRequest(call.path["model"], body.manifest.encode(), body.metadata.encode(), body.channel)
    done = call.registry.models.publish(request, by=call.by)
    return m.Published(
        version=_version_of(done.version),
        channel=done.channel,
        patches=done.patches,
        below_min_release=list(done.below_min_release),
    )


def _yank(call: Call) -> m.Yanked:
    """Take a version back; what names it returns to the one before."""
    done = call.registry.models.yank(call.path["model"], call.path["version"], call.body.metadata.encode(), by=call.by)
    return m.Yanked(model=done.model, version=done.version, returned=dict(done.returned))


def _renew(call: Call) -> m.Model:
    """Take the metadata of a model with the same versions: a later expiry, or another `min_release`."""
    call.registry.models.renew_role(call.path["model"], call.body.metadata.encode(), by=call.by)
    return _model(call)


def _models(call: Call) -> m.Models:
    """All models with their versions."""
    return m.Models(models=[_model_of(each) for each in call.registry.models.all()])


def _model(call: Call) -> m.Model:
    """One model with its versions."""
    return _model_of(call.registry.models.one(call.path["model"]))


def _version(call: Call) -> m.Version:
    """One version, yanked ones too."""
    return _version_of(call.registry.models.version(call.path["model"], call.path["version"]))


def _history(call: Call) -> m.Changes:
    """What the log says of a model."""
    return m.Changes(changes=[_change_of(each) for each in call.registry.models.history(call.path["model"])])


def _diff(call: Call) -> m.Diff:
    """Files in which two versions differ."""
    return m.Diff.model_validate(
        asdict(call.registry.models.diff(call.path["model"], call.query.before, call.query.after))
    )


# -- what should run where --------------------------------------------------------------------------------------------------------


def _channels(call: Call) -> m.Subjects:
    """All channels."""
    prefix = layout.channel_subject("")
    return m.Subjects(
        subjects=[_subject_of(each) for each in call.registry.assignments.all() if each.subject.startswith(prefix)]
    )


def _channel(call: Call) -> m.Subject:
    """What a channel names."""
    return _subject_of(call.registry.assignments.one(layout.channel_subject(call.path["channel"])))


def _set_channel(call: Call) -> m.Subject:
    """Say what a channel names. A publisher may do so for its own models."""
    return _assigned(call, layout.channel_subject(call.path["channel"]))


def _assignments(call: Call) -> m.Subjects:
    """The assignments of all channels and devices."""
    return m.Subjects(subjects=[_subject_of(each) for each in call.registry.assignments.all()])


def _assignment(call: Call) -> m.Subject:
    """One assignment: `channel:<name>` or `device:<id>`."""
    return _subject_of(call.registry.assignments.one(call.path["subject"]))


def _assign(call: Call) -> m.Subject:
    """Say what a channel or a device should run. A device's own assignment beats its channel's."""
    return _assigned(call, call.path["subject"])


def _assigned(call: Call, subject: str) -> m.Subject:
    models: Mapping[str, str | None] = call.body.models
    gates, who = call.body.gates, call.who
    if who is not None and who.role != "admin":
        foreign = sorted(name for name in {*models, *gates} if not who.may_publish(name))
        if foreign or call.body.replace or not subject.startswith(layout.channel_subject("")):
            what = f"models of others ({foreign[0]})" if foreign else "whole channels, or single devices"
            raise NotAllowed(f"the {who.role} {who.name} may not assign {what}", hint="ask an admin")
    done = call.registry.assignments.assign(subject, models, replace=call.body.replace, gates=gates, by=call.by)
    return _subject_of(done)


# -- devices ----------------------------------------------------------------------------------------------------------------------


def _devices(call: Call) -> m.Devices:
    """All devices, and who waits to become one."""
    registry = call.registry
    waiting = [_candidate_of(each) for each in registry.devices.waiting()]
    return m.Devices(devices=[_device_of(each) for each in registry.devices.all()], waiting=waiting)


def _device(call: Call) -> m.Device:
    """One device, with what its last reports said of what happened."""
    return _device_of(call.registry.devices.one(call.path["device"]))


def _approve(call: Call) -> m.Device:
    """Admit who waits; a key that the device had before is replaced."""
    return _device_of(call.registry.devices.approve(call.path["device"], keyid=call.body.keyid, by=call.by))


def _reject(call: Call) -> m.Rejected:
    """Send who waits away."""
    count = call.registry.devices.reject(call.path["device"], keyid=call.body.keyid, by=call.by)
    return m.Rejected(device=call.path["device"], rejected=count)


def _revoke_device(call: Call) -> m.DeviceRevoked:
    """Take no reports of a device any more."""
    call.registry.devices.revoke(call.path["device"], by=call.by)
    return m.DeviceRevoked(device=call.path["device"])


def _enrolment_token(call: Call) -> m.Secret:
    """A secret that admits one device once."""
    valid_for = timedelta(seconds=call.body.valid_for_s)
    return m.Secret(
        token=call.registry.devices.create_enrolment_token(call.body.device, valid_for=valid_for, by=call.by)
    )


def _nonce(call: Call) -> m.Nonce:
    """A number for one request for enrolment, within five minutes."""
    return m.Nonce(nonce=call.registry.devices.nonce())


def _enrol(call: Call) -> m.Enrolled:
    """Ask to be a device: `lineside.enrol/1` in an envelope that is sealed with the device's own key."""
    done = call.registry.devices.enrol(call.body)
    return m.Enrolled(device=done.device, keyid=done.keyid, state=done.state)


def _report(call: Call) -> m.ReportTaken:
    """Say what runs and what happened: `lineside.report/1` in an envelope that is sealed with the device's key."""
    return m.ReportTaken(device=call.registry.devices.report(call.body))


# -- tokens, log, time ------------------------------------------------------------------------------------------------------------


def _tokens(call: Call) -> m.Tokens:
    """All tokens, without their secrets."""
    return m.Tokens(
        tokens=[
            m.Token(
                id=each.principal.id,
                name=each.principal.name,
                role=each.principal.role,
                models=list(each.principal.models),
                created_at=each.created_at,
                expires=each.expires,
                revoked_at=each.revoked_at,
            )
            for each in call.registry.tokens.all()
        ]
    )


def _create_token(call: Call) -> m.NewToken:
    """Make a token; its secret is in this answer only."""
    body = call.body
    valid_for = timedelta(seconds=body.valid_for_s) if body.valid_for_s else None
    who, secret = call.registry.tokens.create(body.name, body.role, models=body.models, valid_for=valid_for, by=call.by)
    return m.NewToken(id=who.id, name=who.name, role=who.role, models=list(who.models), token=secret)


def _revoke_token(call: Call) -> m.TokenRevoked:
    """End a token."""
    call.registry.tokens.revoke(call.path["token"], by=call.by)
    return m.TokenRevoked(id=call.path["token"])


def _log(call: Call) -> m.Changes:
    """Who changed what, and when."""
    query = call.query
    lines = call.registry.log.read(after=query.after, limit=query.limit, subject=query.subject)
    return m.Changes(changes=[_change_of(each) for each in lines])


def _expiries(call: Call) -> m.Expiries:
    """How long what is signed still holds."""
    return m.Expiries(roles=[m.Expiry.model_validate(asdict(each)) for each in call.registry.keys.expiries()])


# -- from the registry's values ---------------------------------------------------------------------------------------------------


def _version_of(info: VersionInfo) -> m.Version:
    return m.Version.model_validate(
        asdict(info)
        | {"digest": f"sha256:{info.digest}", "hardware": list(info.hardware), "channels": list(info.channels)}
    )


def _model_of(info: ModelInfo) -> m.Model:
    return m.Model(
        name=info.name,
        owners=[key.keyid for key in info.owners],
        threshold=info.threshold,
        min_release=info.min_release,
        role_version=info.role_version,
        role_expires=info.role_expires,
        versions=[_version_of(each) for each in info.versions],
    )


def _change_of(change: Change) -> m.Change:
    return m.Change(
        number=change.number,
        at=change.at,
        who=change.who,
        what=change.what,
        subject=change.subject,
        detail=dict(change.detail),
        previous=change.previous,
        hash=change.hash,
    )


def _subject_of(info: SubjectInfo) -> m.Subject:
    return m.Subject(
        subject=info.subject,
        counter=info.counter,
        issued_at=info.issued_at,
        expires=info.expires,
        models=dict(info.models),
        gates={model: dict(gates) for model, gates in info.gates.items()},
    )


def _candidate_of(candidate: Candidate) -> m.Candidate:
    return m.Candidate.model_validate(asdict(candidate))


def _device_of(info: DeviceInfo) -> m.Device:
    return m.Device(
        device=info.device,
        keyid=info.keyid,
        state=info.state,
        admitted_at=info.admitted_at,
        admitted_by=info.admitted_by,
        profile=info.profile,
        agent_version=info.agent_version,
        number=info.number,
        reported_at=info.reported_at,
        runs={name: dict(run) for name, run in info.runs.items()},
        error=info.error,
        events=[dict(event) for event in info.events],
        candidates=[_candidate_of(each) for each in info.candidates],
    )


def _demand_digest(sha256: str) -> None:
    if not layout.is_sha256(sha256):
        raise RequestInvalid(f"{sha256[:100]!r} is no sha256 in hexadecimal")


TABLE: Final = (
    Endpoint("POST", "blobs/missing", "publisher", _missing, m.BlobsMissing, takes=m.BlobsWanted),
    Endpoint(
        "PUT",
        "uploads/{sha256}",
        "publisher",
        _upload,
        m.UploadState,
        query=m.UploadQuery,
        body="stream",
        max_bytes=PIECE_BYTES,
        slow=True,
    ),
    Endpoint("GET", "models", "viewer", _models, m.Models),
    Endpoint("GET", "models/{model}", "viewer", _model, m.Model),
    Endpoint(
        "POST",
        "models/{model}/versions",
        "owner",
        _publish,
        m.Published,
        takes=m.PublishBody,
        max_bytes=_VERSION_BYTES,
        status=201,
        slow=True,
    ),
    Endpoint("GET", "models/{model}/versions/{version}", "viewer", _version, m.Version),
    Endpoint(
        "DELETE",
        "models/{model}/versions/{version}",
        "owner",
        _yank,
        m.Yanked,
        takes=m.RoleBody,
        max_bytes=_VERSION_BYTES,
        slow=True,
    ),
    Endpoint(
        "PUT", "models/{model}/role", "owner", _renew, m.Model, takes=m.RoleBody, max_bytes=_VERSION_BYTES, slow=True
    ),
    Endpoint("GET", "models/{model}/history", "viewer", _history, m.Changes),
    Endpoint("GET", "models/{model}/diff", "viewer", _diff, m.Diff, query=m.DiffQuery),
    Endpoint("GET", "channels", "viewer", _channels, m.Subjects),
    Endpoint("GET", "channels/{channel}", "viewer", _channel, m.Subject),
    Endpoint("PUT", "channels/{channel}", "publisher", _set_channel, m.Subject, takes=m.AssignBody, slow=True),
    Endpoint("GET", "assignments", "viewer", _assignments, m.Subjects),
    Endpoint("GET", "assignments/{subject}", "viewer", _assignment, m.Subject),
    Endpoint("PUT", "assignments/{subject}", "publisher", _assign, m.Subject, takes=m.AssignBody, slow=True),
    Endpoint("GET", "devices", "viewer", _devices, m.Devices),
    Endpoint("GET", "devices/{device}", "viewer", _device, m.Device),
    Endpoint("POST", "devices/{device}/approve", "admin", _approve, m.Device, takes=m.CandidateBody),
    Endpoint("POST", "devices/{device}/reject", "admin", _reject, m.Rejected, takes=m.CandidateBody),
    Endpoint("DELETE", "devices/{device}", "admin", _revoke_device, m.DeviceRevoked),
    Endpoint("POST", "enrolment-tokens", "admin", _enrolment_token, m.Secret, takes=m.EnrolmentTokenBody, status=201),
    Endpoint("POST", "enrol/nonce", "anyone", _nonce, m.Nonce),
    Endpoint("POST", "enrol", "anyone", _enrol, m.Enrolled, body="envelope", max_bytes=SIGNED_BYTES),
    Endpoint("POST", "reports", "anyone", _report, m.ReportTaken, body="envelope", max_bytes=SIGNED_BYTES),
    Endpoint("GET", "tokens", "admin", _tokens, m.Tokens),
    Endpoint("POST", "tokens", "admin", _create_token, m.NewToken, takes=m.TokenBody, status=201),
    Endpoint("DELETE", "tokens/{token}", "admin", _revoke_token, m.TokenRevoked),
    Endpoint("GET", "log", "viewer", _log, m.Changes, query=m.LogQuery),
    Endpoint("GET", "expiries", "viewer", _expiries, m.Expiries),
)
