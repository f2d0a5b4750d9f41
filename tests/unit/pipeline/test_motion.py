"""The motion gate: what counts as motion, where, and how long a still scene may go unseen."""

from __future__ import annotations

import numpy as np
import pytest

from agent.core.frames import Frame
from agent.models.placement import Region
from agent.pipeline.intake import Intake
from agent.pipeline.motion import MotionGate
from agent.pipeline.settings import MotionSettings, PipelineSettings

SECOND_NS = 1_000_000_000
NOISE = np.random.default_rng(5)


def scene(*, part_at=None, color=True, noise=0):
    """A 480x640 picture of a belt, with a part of a tenth of its width and height where it is wanted."""
    picture = np.full((480, 640), 90, np.uint8)
    if part_at is not None:
        x, y = part_at
        picture[y : y + 48, x : x + 64] = 200
    if noise:
        picture = picture + NOISE.integers(0, noise, picture.shape, dtype=np.uint8)
    return np.repeat(picture[..., None], 3, axis=2) if color else picture


def seen(gate, pictures, *, period_ns=SECOND_NS // 30):
    """For each picture whether it passes."""
    return [gate.lets_pass(Frame(picture, k, 0, k * period_ns)) for k, picture in enumerate(pictures)]


@pytest.mark.parametrize("color", [True, False])
def test_a_still_scene_passes_once_and_a_part_that_comes_or_goes_passes(color):
    """Also when it comes back to where it was, and in gray."""
    belt, part = scene(color=color), scene(part_at=(300, 200), color=color)
    gate = MotionGate(MotionSettings(), Region())
    assert seen(gate, [belt, belt, part, part, belt, belt]) == [True, False, True, False, True, False]
    assert gate.still == 3


def test_noise_is_no_motion():
    """A camera in the dark is noisy, and nothing moves."""
    assert seen(MotionGate(MotionSettings(), Region()), [scene(noise=20) for _ in range(10)]) == [True] + [False] * 9


def test_what_creeps_is_noticed():
    """Each step is smaller than what counts, and all together are not: frames are compared with the last one that passed."""
    pictures = [scene(part_at=(100 + 3 * step, 200)) for step in range(20)]
    assert True in seen(MotionGate(MotionSettings(), Region()), pictures)[1:]


def test_only_the_region_is_watched():
    """A worker beside the belt is no part."""
    gate = MotionGate(MotionSettings(), Region(0.5, 0.0, 1.0, 1.0))
    assert seen(gate, [scene(), scene(part_at=(100, 200)), scene(part_at=(400, 200))]) == [True, False, True]


def test_a_still_scene_is_looked_at_again_after_a_while():
    """So that a verdict is never older than `every_s`."""
    gate = MotionGate(MotionSettings(every_s=2.0), Region())
    assert seen(gate, [scene()] * 5, period_ns=SECOND_NS) == [True, False, True, False, True]


def test_a_camera_may_change_its_size():
    """A picture of another size is compared, not refused."""
    assert seen(MotionGate(MotionSettings(), Region()), [scene(), scene()[::2, ::2], scene()[::2, ::2, 0]]) == [
        True,
        False,
        False,
    ]


def test_a_frame_that_cannot_be_prepared_is_no_fault_of_the_source():
    """The pipeline's thread meets the fault again, where it is told and tried again; the camera goes on."""

    class Refusing:
        size = None

        def prepare(self, pixels):
            raise ValueError("float64 pixels")

    intake = Intake()
    intake.preparer = Refusing()
    job = intake.admit(Frame(scene(), 7, 0, 0))
    assert (job.frame.index, job.prepared) == (7, None)


@pytest.mark.parametrize("region", [[0.5, 0.0, 0.5, 1.0], [0.0, 0.0, 1.0, 1.1], [-0.1, 0, 1, 1]])
def test_a_region_without_an_area_is_refused(region):
    """Nothing could be seen in it, or it lies outside of the frame."""
    with pytest.raises(ValueError, match="0 <= min < max <= 1"):
        PipelineSettings(source="s", model="m", region=region)
