"""A pipeline at full speed whose model is replaced again and again: no frame lost, none twice, none by two models; wherever the models run."""

from __future__ import annotations

from itertools import pairwise

import pytest
import tiny_models
from endless import LONG_S, Endless, Keeping
from line import CLASSIFIER_TOML, write_bundle

from agent.core.mailbox import Mailbox
from agent.models.bundle import open_bundle
from agent.models.execution import Execution, Isolation
from agent.models.loading import load_model
from agent.pipeline.inspector import Identity
from agent.pipeline.intake import Intake
from agent.pipeline.runner import Feed, PipelineRunner
from agent.pipeline.settings import PipelineSettings
from cloud_sync import manifest

SWAPS = 200
SHAPES = ((8, 8, "int8"), (6, 10, "uint8"), (12, 8, "float32"), (8, 10, "int8"))
"""Of the versions: each has another size of input and another type, so that a tensor which was filled for another version cannot pass."""


@pytest.fixture(scope="module")
def bundles(tmp_path_factory):
    """Packed versions of one model."""
    made = []
    for number, (height, width, dtype) in enumerate(SHAPES):
        folder = tmp_path_factory.mktemp(f"v{number}")
        toml = CLASSIFIER_TOML.replace("1.0.0", f"1.0.{number}")
        write_bundle(folder, toml=toml, model=tiny_models.classifier(height, width, dtype=dtype, seed=number))
        manifest.write(folder, manifest.describe(folder, "tiny", f"1.0.{number}"))
        made.append(open_bundle(folder))
    return made


@pytest.mark.parametrize("isolation", [None, Isolation()], ids=["none", "process"])
def test_each_frame_is_predicted_once_by_one_model_while_models_are_replaced(bundles, isolation):
    """`seq` has no gap, frames keep their order, versions follow each other as they were offered, and each old model comes back whole."""
    how = Execution(isolation=isolation)
    box, intake, sink = Mailbox(2, "wait"), Intake(), Keeping()
    spare = {bundle.spec.version: load_model(bundle, how) for bundle in bundles}
    runner = PipelineRunner(
        "p",
        PipelineSettings(source="s", model="m"),
        Feed(box, intake, finite=True, shared=False),
        load=lambda: spare.pop("1.0.0"),
        sink=sink,
        identity=Identity("dev", "session-1", lambda: "synced"),
    )
    runner.start()
    source = Endless(box, intake)
    try:
        for number in range(1, SWAPS + 1):
            sink.wait_beyond(len(sink.made))
            offer = runner.offer(spare.pop(f"1.0.{number % len(SHAPES)}"))
            assert offer.wait(LONG_S)
            assert offer.taken
            spare[offer.former.reference.version] = offer.former
    finally:
        source.end()
        assert runner.join(LONG_S)
        for model in spare.values():
            model.close()
    assert runner.fault is None
    seqs, indexes, versions, labels = zip(*sink.made, strict=True)
    assert seqs == indexes == tuple(range(source.count))
    assert labels == tuple(("dark", "bright")[k % 2] for k in range(source.count))
    changes = [versions[0], *(after for before, after in pairwise(versions) if before != after)]
    assert changes == [f"1.0.{number % len(SHAPES)}" for number in range(SWAPS + 1)]
    assert runner.drops() == {}
