"""What is done after a fault: how soon, with which version of MQTT, and what is shown meanwhile."""

from __future__ import annotations

import random
import socket
import ssl

import hypothesis.strategies as st
import pytest
from hypothesis import given

from agent.mqtt import faults
from agent.mqtt.link import LinkFault, Retry
from agent.mqtt.settings import Address

ADDRESS = Address("mqtts", "broker", 8883, "")
PLAIN = Address("mqtt", "broker", 8883, "")
AWAY = LinkFault("unreachable", "nothing listens")
LOST = LinkFault("lost", "the connection was cut")
REFUSED = LinkFault("refused", "wrong password")
TAKEN_OVER = LinkFault("taken_over", "another client")
UNANSWERED = LinkFault("unanswered", "no answer")
SILENT = LinkFault("silent", "closed in place of an answer")
NO_5 = LinkFault("protocol", "does not speak it")


def retry():
    return Retry(rng=random.Random(7))


@given(st.lists(st.sampled_from([AWAY, REFUSED, TAKEN_OVER, SILENT, UNANSWERED, NO_5]), min_size=1, max_size=60))
def test_every_delay_lies_in_its_bounds(fault_list):
    """Whatever happens in whatever order, nobody is hammered and nobody is given up."""
    bounds = {"away": (0.25, 30), "refused": (30, 300), "taken_over": (60, 300), "connecting": (0, 0)}
    rule = retry()
    for fault in fault_list:
        after = rule.after(fault, None)
        least, most = bounds[after.link.state]
        assert least <= after.delay_s <= most


def test_a_broker_that_is_away_is_tried_ever_more_slowly_and_at_once_again_after_it_worked():
    """A restart of the broker costs half a second, an outage of a day little traffic."""
    rule = retry()
    rule.after(LOST, worked_s=60)
    delays = [rule.after(AWAY, None).delay_s for _ in range(12)]
    assert delays[0] <= 1
    assert delays[-1] >= 15
    assert rule.after(LOST, worked_s=60).delay_s <= 0.5


@given(st.lists(st.sampled_from([AWAY, SILENT, UNANSWERED]), min_size=60, max_size=60), st.randoms())
def test_the_first_connection_is_tried_for_every_half_second_for_ten_seconds(fault_list, rng):
    """An agent that starts with its broker finds it within the 5 s that it waits; one whose broker is long gone slows down."""
    rule = Retry(rng=rng)
    delays = [rule.after(fault, None).delay_s for fault in fault_list]
    eager = [delay for number, delay in enumerate(delays) if sum(delays[:number]) < 6]
    assert all(0.25 <= delay <= 0.5 for delay in eager)
    assert max(delays) >= 15
    assert sum(delay for delay in delays[: delays.index(max(delays))] if delay <= 0.5) <= 15


def test_a_broker_that_cuts_us_is_left_alone_for_some_seconds():
    """It is there, so half a minute would be too long; and ten times a second would be a burden."""
    rule = retry()
    delays = [rule.after(LOST, worked_s=0.1, owed=True).delay_s for _ in range(8)]
    assert 0.1 <= delays[0] <= 0.2
    assert 2 <= delays[-1] <= 4


def test_a_broker_that_says_it_does_not_speak_5_is_asked_for_3_1_1_at_once_and_ever_after():
    """What it said is believed."""
    rule = retry()
    assert rule.protocol == "5"
    assert rule.after(NO_5, None).delay_s == 0
    assert rule.protocol == "3.1.1"
    rule.after(LOST, worked_s=100)
    assert rule.protocol == "3.1.1"


def test_a_broker_that_closes_twice_without_a_word_is_asked_for_3_1_1_and_for_5_again_later():
    """Old brokers just close; a proxy in front of a dead broker does too, so the conclusion is not for ever."""
    rule = retry()
    rule.after(SILENT, None)
    assert rule.protocol == "5"
    rule.after(SILENT, None)
    assert rule.protocol == "3.1.1"
    rule.after(LOST, worked_s=100)
    assert rule.protocol == "5"


def test_a_broker_that_speaks_neither_is_a_refusal():
    """Somebody must look at it, and it is not asked in a circle without a pause."""
    rule = retry()
    rule.after(NO_5, None)
    after = rule.after(NO_5, None)
    assert (after.link.state, rule.protocol) == ("refused", "5")
    assert after.delay_s >= 30


def test_being_taken_over_is_no_duel():
    """At most one try a minute, although each one connects."""
    rule = retry()
    delays = [rule.after(TAKEN_OVER, worked_s=90).delay_s for _ in range(5)]
    assert all(delay >= 60 for delay in delays)
    assert delays[-1] >= 150


def test_being_cut_at_once_three_times_is_a_take_over():
    """Not every broker says it, and MQTT 3.1.1 has no word for it."""
    rule = retry()
    states = [rule.after(LOST, worked_s=1).link for _ in range(3)]
    assert [link.state for link in states] == ["away", "away", "taken_over"]
    assert "client id" in states[-1].sentence
    assert rule.after(LOST, worked_s=100).link.state == "away"


def test_a_take_over_that_is_only_guessed_costs_seconds_at_first():
    """A network that flaps looks the same; a device must not be silent for minutes for that."""
    rule = retry()
    delays = [rule.after(LOST, worked_s=1).delay_s for _ in range(12)][2:]
    assert delays[0] <= 10
    assert delays[2] > 1.1 * delays[0]
    assert all(30 <= delay <= 60 for delay in delays[5:])


def test_a_guess_begins_anew_after_a_connection_that_worked():
    """Each bad spell of a network costs the same few seconds."""
    rule = retry()
    for _ in range(8):
        rule.after(LOST, worked_s=1)
    rule.after(LOST, worked_s=30)
    guess = [rule.after(LOST, worked_s=1) for _ in range(3)][-1]
    assert guess.link.state == "taken_over"
    assert guess.delay_s <= 10


def test_a_broker_that_restarts_is_no_take_over():
    """While another client has our id, the broker is there all the time."""
    rule = retry()
    for _ in range(10):
        assert rule.after(LOST, worked_s=1).link.state == "away"
        assert rule.after(AWAY, None).link.state == "away"


def test_a_broker_that_chokes_on_a_message_is_no_take_over():
    """It owed us an answer each time."""
    rule = retry()
    assert {rule.after(LOST, worked_s=1, owed=True).link.state for _ in range(10)} == {"away"}


def test_a_broker_that_is_deaf_to_5_is_asked_for_3_1_1_the_next_time():
    """It has cost seconds already."""
    rule = retry()
    assert rule.after(UNANSWERED, None).delay_s <= 0.5
    assert rule.protocol == "3.1.1"


@pytest.mark.parametrize(
    ("fault", "kind", "word"),
    [
        (
            faults.unreachable(ADDRESS, ConnectionRefusedError()),
            "unreachable",
            "nothing listens at mqtts://broker:8883",
        ),
        (faults.unreachable(ADDRESS, socket.gaierror()), "unreachable", "not a known host"),
        (faults.unreachable(ADDRESS, TimeoutError()), "unreachable", "in time"),
        (faults.unreachable(ADDRESS, OSError(113, "No route to host")), "unreachable", "No route to host"),
        (faults.connack(ADDRESS, 0x84, "", "5"), "protocol", "does not speak MQTT 5"),
        (faults.connack(ADDRESS, 0x86, "", "5"), "refused", "user and password"),
        (faults.connack(ADDRESS, 0x88, "Server unavailable", "5"), "unreachable", "Server unavailable"),
        (faults.farewell(ADDRESS, 0x8E, ""), "taken_over", "client id"),
        (faults.farewell(ADDRESS, 0x8B, "Server shutting down"), "lost", "shutting down"),
        (faults.silence(ADDRESS, ""), "silent", "in place of an answer"),
        (faults.silence(ADDRESS, "[SSL: TLSV13_ALERT_CERTIFICATE_REQUIRED] tlsv13 alert"), "refused", "certificate"),
        (faults.tls(ADDRESS, ssl.SSLError(1, "WRONG_VERSION_NUMBER")), "refused", "speak TLS on this port?"),
        (faults.unreachable(ADDRESS, ConnectionResetError()), "unreachable", "speak TLS on this port?"),
        (faults.silence(PLAIN, ""), "silent", "speak TLS on this port?"),
        (faults.no_answer(PLAIN, 3.0), "unanswered", "speak TLS on this port?"),
    ],
)
def test_a_fault_names_the_broker_and_what_is_wrong(fault, kind, word):
    """The sentence is what the operator reads in `status`."""
    assert fault.kind == kind
    assert word in str(fault)
    assert fault.retryable
