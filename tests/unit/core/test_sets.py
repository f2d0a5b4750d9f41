"""Which versions change together: those that decide about the same parts, and no others."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.core.sets import sets_of

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


@given(LINKS, st.randoms(use_true_random=False))
def test_the_order_in_which_they_came_says_nothing(sources, random):
    """Of models in a configuration, or in an assignment."""
    names = list(sources)
    random.shuffle(names)
    assert sets_of({name: sources[name] for name in names}) == sets_of(sources)
