"""What is wrong with a configuration of syncs, before anything runs."""

from __future__ import annotations

import pytest
from line import configure

from agent.config.loading import load
from agent.diagnosis.configuration import is_protected, model_findings, sync_findings
from agent.sync.orders import Orders
from cloud_sync.store import ModelStore

ROOT = "ab" * 32
BASE = """\
[sources.cam]
type = "images"
url = "pictures"
[models.a]
registry = "tiny"
[models.b]
registry = "tiny"
channel = "{channel}"
[pipelines.a]
source = "cam"
model = "a"
[pipelines.b]
source = "cam"
model = "b"
[sync]
"""


def loaded(tmp_path, sync, channel="stable"):
    return load(configure(tmp_path, 1883, BASE.format(channel=channel) + sync))


@pytest.mark.parametrize(
    ("url", "protected"),
    [
        ("https://registry.example", True),
        ("http://127.0.0.1:8080", True),
        ("http://[::1]/x", True),
        ("http://localhost", True),
        ("http://registry.example", False),
        ("http://127.0.0.1.example", False),
        ("ftp://127.0.0.1", False),
        ("registry.example", False),
    ],
)
def test_https_and_this_machine_are_protected(url, protected):
    """And nothing else."""
    assert is_protected(url) == protected


def test_an_address_without_tls_is_a_finding_and_the_agent_starts_all_the_same(tmp_path):
    """Inference must not stop for it."""
    unsafe = f'url = "http://registry.example"\nroot_sha256 = "{ROOT}"\n'
    assert loaded(tmp_path, unsafe).errors == []
    assert [finding.code for finding in sync_findings(loaded(tmp_path, unsafe).usable())] == ["insecure-address"]
    assert sync_findings(loaded(tmp_path, unsafe + "insecure_http = true\n").usable()) == []


@pytest.mark.parametrize(
    ("sync", "channel", "code"),
    [
        ('url = "https://r"', "stable", "no-root"),
        ('root_sha256 = "xyz"', "stable", "invalid-value"),
        ('window = "2 to 5"', "stable", "invalid-value"),
        ("", "canary", "two-channels"),
    ],
)
def test_what_can_never_work_is_an_error(tmp_path, sync, channel, code):
    """Each named by its code."""
    assert [finding.code for finding in loaded(tmp_path, sync, channel).errors] == [code]


def test_a_root_is_relative_to_the_file_and_must_be_there(tmp_path):
    """A sync without it would trust nobody."""
    settings = loaded(tmp_path, 'url = "https://r"\nroot = "trust/root.json"').usable()
    assert settings.sync.root == tmp_path / "trust/root.json"
    assert [finding.code for finding in sync_findings(settings)] == ["no-root"]


def test_a_model_that_has_not_come_yet_is_no_error(tmp_path):
    """It may come; the agent waits for it."""
    findings = model_findings(loaded(tmp_path, "").usable())
    assert [(finding.code, finding.severity) for finding in findings] == [("model-awaited", "warning")] * 2


def test_an_order_is_one_that_the_child_understands(tmp_path):
    """Field by field."""
    from cloud_sync.device.order import Order

    settings = loaded(tmp_path, f'url = "https://r"\nroot_sha256 = "{ROOT}"\nrate_limit_bytes_s = 5000').usable()
    store = ModelStore(tmp_path)
    orders = Orders(
        settings.sync, settings.models, store, device="press", profile="pi", state_dir=tmp_path, agent_version="1"
    )
    import json

    order = Order.decode(json.dumps(orders.order(tmp_path / "stick", "token")).encode())
    assert (order.models, order.rate_limit_bytes_s, order.import_dir) == ({"tiny": "stable"}, 5000, tmp_path / "stick")
    assert (order.enrol_token, order.runs, order.hardware[0]) == ("token", {}, "pi")
