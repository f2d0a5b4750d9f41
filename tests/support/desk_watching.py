"""A drift desk over one pipeline, whose frames the test shows one after the other, and what it told."""

from __future__ import annotations

from drifting import frame_of, part, prediction_of, reference, result_of

from agent.drift.desk import DriftDesk
from agent.drift.settings import DriftSettings
from agent.models.placement import Region

KNOWN = reference()
EVERYTHING = Region()


class Forgetful:
    """A memory for tests that start once."""

    def read(self):
        return {}

    def write(self, lines) -> None:
        """Nothing comes after it."""


class Told:
    """Keeps what the desk tells."""

    def __init__(self) -> None:
        self.drifts, self.strange, self.blames = [], [], []

    def blame(self, _pipeline, sentence) -> None:
        self.blames.append(sentence)

    def frame(self, _frame, prediction, values) -> None:
        self.strange.append((prediction.seq, values))


class Watching:
    """A desk over one pipeline, and the frames that its test shows to it one after the other."""

    def __init__(
        self,
        find=lambda *_: KNOWN,
        *,
        active=lambda _: "sha256:0",
        region=EVERYTHING,
        memory=None,
        names=("p",),
        **settings,
    ) -> None:
        self.told = Told()
        line = DriftSettings(every_s=0, window=50, **settings), region
        self.desk = DriftDesk(
            dict.fromkeys(names, line),
            device="d",
            session="s",
            active=active,
            find=find,
            tell=self.told.drifts.append,
            memory=memory or Forgetful(),
            on_strange=self.told.frame,
            on_blame=self.told.blame,
        )
        self.index = 0

    def __enter__(self):
        return self

    def __exit__(self, *_) -> None:
        self.desk.close()

    def show(self, count, *, digest="sha256:0", make=part, result=result_of) -> None:
        """So many frames, none of which may get lost: each is looked at before the next comes."""
        for _ in range(count):
            pixels = make(self.index)
            observer = self.desk.observers["p"]
            observer.seen(
                frame_of(pixels, self.index),
                prediction_of(pixels, self.index, digest=digest, result=result(pixels)),
                None,
            )
            self.desk.look(0)
            self.index += 1


def scored_by(gain):
    """A model whose score is so much of what it was, on the same pictures."""

    def result(pixels):
        found = result_of(pixels)
        found.top[1].score *= gain
        return found

    return result
