"""Keeps samples in the folder that it is given, three where two may stay, until it is killed: `python sample_driver.py FOLDER`."""

from __future__ import annotations

import sys
from pathlib import Path

from drifting import part, prediction_of
from sampling import jpeg

from agent.capture.keeper import Keeper
from agent.capture.recent import Picture
from agent.capture.settings import SamplesSettings
from agent.core.feedback import Feedback
from agent.core.likeness import likeness_hash

SAMPLES, QUOTA = 3, 2


def main(state_dir: Path) -> None:
    keeper = Keeper(state_dir, SamplesSettings(max_count=QUOTA, reserve_bytes=0))
    keeper.open()
    for k in range(SAMPLES):
        pixels = part(k)
        keeper.keep(prediction_of(pixels, k), Picture(jpeg(pixels), 64, 64, likeness_hash(pixels)), ["random"])
    keeper.label(Feedback(prediction_of(part(2), 2).id, "wrong", label="bright"))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
