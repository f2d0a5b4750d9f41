"""Which versions change together: those that decide about the same parts, and no others."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.core.sets import is_of_share, sets_of

LINKS = st.dictionaries(st.sampled_from("mnopqr"), st.frozensets(st.sampled_from("1234")), max_size=6)


@pytest.mark.parametrize(
    ("sources", "expected"),
    [
        ({}, []),
        ({"m": "1"}, ["m"]),
        ({"m": "1", "n": "1"}, ["mn"]),
        ({"m": "1", "n": "2"}, ["m", "n"]),
        ({"m": "1", "n": "2", "o": "12"}, ["mno"]),
        ({"m": "12", "n": "23", "o": "34", "p": "5"}, ["mno", "p"]),
        ({"m": "", "n": ""}, ["m", "n"]),
    ],
)
def test_models_that_share_a_source_are_a_set_and_so_is_what_they_are_linked_with(sources, expected):
    """Over any number of sources; a model that no pipeline has is alone."""
    assert {frozenset(each) for each in expected} == set(sets_of(sources).values())


@settings(max_examples=50)
@given(LINKS)
def test_each_model_is_in_one_set_and_no_source_is_read_by_two(sources):
    """So whatever a part is decided by changes in one step."""
    found = sets_of(sources)
    assert set(found) == set(sources)
    for name, of in found.items():
        assert name in of
        for other in sources:
            shares = not sources[name].isdisjoint(sources[other])
            assert not shares or found[other] == of
            assert (other in of) == (found[other] == of)


@settings(max_examples=50)
@given(LINKS, st.randoms(use_true_random=False))
def test_the_order_in_which_they_came_says_nothing(sources, random):
    """Of models in a configuration, or in an assignment."""
    names = list(sources)
    random.shuffle(names)
    assert sets_of({name: sources[name] for name in names}) == sets_of(sources)


@settings(max_examples=40)
@given(st.integers(1, 30), st.integers(0, 10**9), st.floats(0.01, 1))
def test_a_pipeline_that_sees_some_of_the_frames_decides_its_share_of_these(stride, begin, share):
    """Whatever it leaves out: every second frame, or all but every tenth."""
    count = 2000
    chosen = sum(is_of_share(begin + stride * k, share) for k in range(count))
    assert chosen == pytest.approx(share * count, abs=count / 20)


@given(st.integers(0, 10**10), st.floats(0, 1), st.floats(0, 1))
def test_a_smaller_share_lies_within_a_larger_one(index, one, other):
    """Canaries of one set decide the same parts, also where one of them may decide fewer."""
    assert not is_of_share(index, min(one, other)) or is_of_share(index, max(one, other))
    assert is_of_share(index, 1.0)
