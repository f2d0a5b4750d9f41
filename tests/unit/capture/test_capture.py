"""What is kept of a line: by which reason, within which bounds, and what a disk that fails or a command that purges changes."""

from __future__ import annotations

import errno
import threading

import pytest
from deadlines import LONG_S
from drifting import frame_of, part, prediction_of
from sampling import jpeg

from agent.capture import folder as folder_module
from agent.capture.capture import Capture
from agent.capture.folder import SampleFolder
from agent.capture.keeper import REST_S
from agent.capture.observer import Line
from agent.capture.settings import CaptureSettings, SamplesSettings
from agent.core import results
from agent.core.comparing import Pair, Verdict
from agent.core.decisions import DecisionRule
from agent.core.feedback import Feedback
from agent.models.placement import Region

RULE = DecisionRule(label="bright", min_score=0.5)


def classified(score):
    """With so much of the label that rejects."""
    top = [results.Scored(label="bright", score=score), results.Scored(label="dark", score=1 - score)]
    return results.Classification(label=max(top, key=lambda s: s.score).label, score=max(score, 1 - score), top=top)


class Keeping:
    """A capture of the pipeline `p` without its thread: the test does its work, one frame after the other."""

    def __init__(self, state_dir, *reasons, region=None, samples=None, **settings) -> None:
        self.faults = []
        options = {"every_s": 0, "min_difference": 0, "random_share": 1.0} | settings
        line = Line(CaptureSettings(reasons=list(reasons), **options), region or Region(), lambda: RULE)
        quotas = SamplesSettings(**({"reserve_bytes": 0} | (samples or {})))
        self.now_s = 0.0
        self.capture = Capture(quotas, {"p": line}, state_dir, jpeg, self.faults.append, lambda: self.now_s)
        self.capture.keeper.open()
        self.folder = SampleFolder(state_dir)

    def see(self, k, *, score=0.1, decision="accept", pixels=None):
        """Frame k comes by; its prediction."""
        pixels = part(k) if pixels is None else pixels
        prediction = prediction_of(pixels, k, decision=decision, result=classified(score))
        self.capture.observers["p"].seen(frame_of(pixels, k), prediction, None)
        self.capture.work(0)
        return prediction

    @property
    def kept(self):
        """Sequence numbers and reasons of the samples on the disk."""
        return {sample.prediction["seq"]: sample.reasons for sample in self.folder.samples()}

    @property
    def skipped(self):
        return self.capture.counts()["skipped"]


def test_nothing_is_kept_where_no_pipeline_asks_for_it(tmp_path):
    """Off until configured: no thread, no observer, no folder."""
    capture = Capture(SamplesSettings(), {}, tmp_path, jpeg)
    capture.start()
    capture.close()

    assert capture.observers == {}
    assert list(tmp_path.iterdir()) == []


def test_frames_near_the_threshold_are_kept(tmp_path):
    """The ones that the model was least sure of."""
    line = Keeping(tmp_path, "near_threshold", near=0.1)
    for k, score in enumerate((0.1, 0.45, 0.55, 0.9)):
        line.see(k, score=score)

    assert line.kept == {1: ["near_threshold"], 2: ["near_threshold"]}


@pytest.mark.parametrize(("share", "count"), [(0.0, 0), (1.0, 20)])
def test_a_share_of_all_frames_is_kept(tmp_path, share, count):
    """What the line mostly makes, too."""
    line = Keeping(tmp_path, "random", random_share=share)
    for k in range(20):
        line.see(k)

    assert len(line.kept) == count


def test_a_frame_that_no_evaluation_saw_is_kept_with_its_statistics(tmp_path):
    """The drift desk calls."""
    line = Keeping(tmp_path, "drift")
    prediction = prediction_of(part(1), 1)
    line.capture.strange(frame_of(part(1)), prediction, {"brightness": 0.01})
    line.capture.work(0)

    assert [(sample.reasons, sample.strange) for sample in line.folder.samples()] == [(["drift"], {"brightness": 0.01})]


def pair(prediction_id):
    return Pair("p", prediction_id, 0.0, Verdict("accept", "dark", 0.9, 3.0), Verdict("reject", "bright", 0.8, 3.0))


def test_a_disagreement_is_kept_with_what_both_said(tmp_path):
    """The prediction that was published is that of the active model."""
    line = Keeping(tmp_path, "disagreement")
    prediction = line.see(1)
    line.capture.disagreed(pair(prediction.id), frame_of(part(1)))
    line.capture.work(0)

    (sample,) = line.folder.samples()
    assert sample.reasons == ["disagreement"]
    assert (sample.disagreement["active"]["decision"], sample.disagreement["candidate"]["decision"]) == (
        "accept",
        "reject",
    )
    assert sample.prediction["decision"] == "accept"


def test_a_disagreement_on_a_prediction_of_long_ago_is_let_go(tmp_path):
    """Its prediction is forgotten, and a sample without one says nothing."""
    line = Keeping(tmp_path, "disagreement")
    line.capture.disagreed(pair("0193"), frame_of(part(1)))
    line.capture.work(0)

    assert line.kept == {}


def wrong(prediction_id, label=None, decision=None):
    return Feedback(prediction_id, "wrong", label, decision)


def test_an_operators_word_is_written_into_a_kept_sample(tmp_path):
    """It then ranks as feedback."""
    line = Keeping(tmp_path, "random", "feedback")
    prediction = line.see(1)
    assert line.capture.feedback(wrong(prediction.id, "bright"))
    line.capture.work(0)

    assert [(sample.label, sample.reasons) for sample in line.folder.samples()] == [("bright", ["feedback", "random"])]


def test_an_operators_word_finds_a_rejected_part_that_was_not_kept(tmp_path):
    """Its picture is remembered for a while, as far as there is room."""
    line = Keeping(tmp_path, "feedback")
    prediction = line.see(1, score=0.9, decision="reject")
    assert line.kept == {}
    assert line.capture.feedback(wrong(prediction.id, "dark"))
    line.capture.work(0)

    assert line.kept == {1: ["feedback"]}


def test_a_prediction_that_was_right_gives_its_own_label(tmp_path):
    """Kept before, or only remembered."""
    line = Keeping(tmp_path, "random", "feedback", random_share=0)
    remembered = line.see(1, score=0.9, decision="reject")
    line.capture.feedback(Feedback(remembered.id, "right"))
    line.capture.work(0)
    line.capture.feedback(Feedback(remembered.id, "right"))
    line.capture.work(0)

    assert [(sample.label, sample.decision) for sample in line.folder.samples()] == [("bright", "reject")]


@pytest.mark.parametrize("reasons", [("random", "feedback"), ("feedback",)])
def test_what_should_have_been_decided_is_kept_like_a_label(tmp_path, reasons):
    """Kept before, or only remembered; who looks at a part knows sooner what to do with it than what it is called."""
    line = Keeping(tmp_path, *reasons)
    line.capture.feedback(wrong(line.see(1, score=0.9, decision="reject").id, decision="accept"))
    line.capture.work(0)

    assert [(s.label, s.decision, s.truth) for s in line.folder.samples()] == [(None, "accept", ("decision", "accept"))]


def test_a_word_without_a_label_keeps_the_sample_and_labels_nothing(tmp_path):
    """Wrong is all that was said."""
    line = Keeping(tmp_path, "feedback")
    line.capture.feedback(wrong(line.see(1, score=0.9, decision="reject").id))
    line.capture.work(0)

    assert [(sample.label, sample.reasons) for sample in line.folder.samples()] == [(None, ["feedback"])]


def test_an_operators_word_on_a_picture_that_is_gone_says_so(tmp_path):
    """The word still counts elsewhere."""
    line = Keeping(tmp_path, "feedback", samples={"recent_bytes": 1})
    prediction = line.see(1, score=0.9, decision="reject")

    assert not line.capture.feedback(wrong(prediction.id, "dark"))


def test_several_reasons_for_one_frame_make_one_sample(tmp_path):
    """The most precious first."""
    line = Keeping(tmp_path, "near_threshold", "random", "disagreement")
    prediction = line.see(1, score=0.5)
    line.capture.disagreed(pair(prediction.id), frame_of(part(1)))
    line.capture.work(0)

    assert line.kept == {1: ["disagreement", "near_threshold", "random"]}


def test_a_part_that_stands_still_is_kept_once(tmp_path):
    """Near-duplicates are skipped and counted; after a restart too."""
    line = Keeping(tmp_path, "random", min_difference=0.06)
    for k in range(5):
        line.see(k, pixels=part(1))
    again = Keeping(tmp_path, "random", min_difference=0.06)
    again.see(9, pixels=part(1))
    again.see(10, pixels=part(2))

    assert list(line.kept) == [0, 10]
    assert (line.skipped, again.skipped) == ({"duplicate": 4}, {"duplicate": 1})


def test_samples_of_one_reason_are_some_time_apart(tmp_path):
    """Else a bad minute takes the whole day's share."""
    line = Keeping(tmp_path, "random", every_s=3600)
    for k in range(5):
        line.see(k)

    assert list(line.kept) == [0]


def test_the_quotas_are_never_exceeded_and_feedback_stays(tmp_path):
    """The oldest of the least reason goes, on the disk too."""
    line = Keeping(tmp_path, "random", "feedback", samples={"max_count": 3})
    first = line.see(0)
    line.capture.feedback(wrong(first.id, "bright"))
    for k in range(1, 8):
        line.see(k)
        assert len(line.kept) <= 3

    assert list(line.kept) == [0, 6, 7]


def test_where_the_disk_has_no_room_to_spare_nothing_is_written(tmp_path):
    """The reserve is for what the agent needs."""
    line = Keeping(tmp_path, "random", samples={"reserve_bytes": 1 << 60})
    line.see(1)

    assert (line.kept, line.skipped) == ({}, {"disk_full": 1})


def test_a_disk_that_fails_is_told_once_and_tried_again(tmp_path, monkeypatch):
    """No frame is held up, nothing half is left, and it goes on when the disk does."""
    line = Keeping(tmp_path, "random")

    def full(_path, _content):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as broken:
        broken.setattr(folder_module, "write_atomically", full)
        line.see(1)
        line.see(2)
    assert line.skipped == {"disk_error": 2}
    assert len(line.faults) == 1
    assert "No space left" in line.faults[0]

    line.now_s += REST_S
    line.see(3)
    assert list(line.kept) == [3]
    assert line.faults[1:] == [None]


def test_what_a_command_removed_is_not_counted_any_more(tmp_path):
    """`lineside samples purge` beside a running agent makes room."""
    line = Keeping(tmp_path, "random", samples={"max_count": 2})
    first = line.see(1)
    line.see(2)
    for sample in list(line.folder.samples()):
        line.folder.remove(sample)
    line.folder.touch()
    line.see(3)

    assert list(line.kept) == [3]
    assert line.capture.counts()["kept"] == 1
    assert not line.capture.feedback(wrong(first.id, "bright"))


def test_smaller_quotas_hold_from_the_next_start(tmp_path):
    """The configuration is the last word."""
    line = Keeping(tmp_path, "random")
    for k in range(5):
        line.see(k)
    Keeping(tmp_path, "random", samples={"max_count": 2})

    assert list(line.kept) == [3, 4]


def test_only_the_part_that_the_model_sees_is_kept(tmp_path):
    """What is evaluated later is what was decided by."""
    line = Keeping(tmp_path, "random", region=Region(0, 0, 0.5, 1))
    line.see(1)

    (sample,) = line.folder.samples()
    assert (sample.image["width"], sample.image["height"]) == (32, 64)


def test_the_thread_writes_what_waits_before_it_ends(tmp_path):
    """And comes to its end in time."""
    line = Keeping(tmp_path, "random")
    line.capture.start()
    pixels = part(1)
    line.capture.observers["p"].seen(frame_of(pixels), prediction_of(pixels, 1, result=classified(0.1)), None)
    line.capture.close(LONG_S)

    assert list(line.kept) == [1]


def test_a_disk_that_hangs_holds_up_no_frame(tmp_path, monkeypatch):
    """What there is no time for is counted and let go."""
    line = Keeping(tmp_path, "random")
    hangs, goes_on = threading.Event(), threading.Event()

    def hang(_path, _content):
        hangs.set()
        goes_on.wait(LONG_S)

    monkeypatch.setattr(folder_module, "write_atomically", hang)
    line.capture.start()
    for k in range(20):
        pixels = part(k)
        line.capture.observers["p"].seen(frame_of(pixels, k), prediction_of(pixels, k, result=classified(0.1)), None)
        assert k or hangs.wait(LONG_S)
    assert line.skipped["busy"] == 15
    goes_on.set()
    line.capture.close(LONG_S)


def test_a_frame_that_is_no_picture_stops_nothing(tmp_path):
    """The next one is kept."""
    line = Keeping(tmp_path, "random")
    line.see(1, pixels=part(1)[..., :2])
    line.see(2)

    assert list(line.kept) == [2]
