"""The judgement itself: what it must find, it finds. Evidence that cannot accuse proves nothing."""

from __future__ import annotations

from harness.evidence import WINDOW, judge
from harness.growth import Sample
from harness.growth import judge as judge_growth
from mqtt_packets import PUBLISH, Splitter, read_puback, read_publish
from recording import Event, Sent

OLD, NEW = "018f-old", "019f-new"


def event(number: int, session: str = OLD, pipeline: str = "p") -> Event:
    return Event(f"{session} {pipeline} {number}", session, pipeline, number, number)


def gap(first: int, last: int) -> Event:
    return Event(f"gap {first}-{last}", OLD, "p", first, last, is_gap=True)


def sent(*events: Event, connection: int = 1, confirmed: bool = True) -> list[Sent]:
    return [Sent(each, connection, 0.0, 1.0 if confirmed else None) for each in events]


def events(*numbers: int) -> list[Event]:
    return [event(number) for number in numbers]


def test_a_run_without_a_fault_is_clean():
    """Everything once, in order, heard by the listener."""
    verdict = judge(sent(*events(0, 1, 2)), received=events(0, 1, 2))
    assert (verdict.faults(), verdict.events, verdict.duplicated, verdict.forgotten) == ([], 3, 0, ())


def test_a_number_that_is_missing_is_lost():
    """The numbers of a session have no gap."""
    assert judge(sent(*events(0, 1, 3))).lost == ((OLD, "p", 2),)


def test_what_was_never_confirmed_is_lost_unless_its_session_was_killed_or_the_spool_has_it():
    """After a SIGKILL only what was in the spool had been accepted."""
    run = sent(*events(0, 1)) + sent(*events(2), confirmed=False)
    key = (OLD, "p", 2)
    assert judge(run).lost == (key,)
    assert judge(run, waiting={key}).lost == ()
    assert judge(run, killed={OLD}).lost == ()
    assert judge(run, killed={OLD}, found={key}).lost == (key,)


def test_what_a_gap_announces_is_not_lost():
    """A bound forced it out, and the subscriber is told."""
    verdict = judge(sent(gap(0, 2), *events(3)))
    assert (verdict.lost, verdict.announced, verdict.reordered) == ((), 3, ())


def test_what_was_confirmed_and_never_heard_is_forgotten_not_lost():
    """That is the broker's doing."""
    verdict = judge(sent(*events(0, 1)), received=events(1))
    assert (verdict.forgotten, verdict.lost) == (((OLD, "p", 0),), ())


def test_an_event_behind_a_younger_one_is_reordered_by_its_first_arrival():
    """Also one of an older session; what comes again is not judged."""
    assert judge(sent(*events(0, 2, 1))).reordered == ((OLD, "p", 1),)
    assert judge(sent(*events(0, 1, 2, 1, 2, 3))).reordered == ()
    assert judge(sent(event(0, NEW), event(0, OLD))).reordered == ((OLD, "p", 0),)
    assert judge(sent(event(5, OLD), event(0, NEW), event(0, OLD, "other"))).reordered == ()


def test_more_than_the_window_again_on_one_connection_is_a_fault():
    """As many as were on their way may come again, and no more."""
    first = sent(*events(*range(50)))
    again = sent(*events(*range(50 - WINDOW, 50)), connection=2)
    assert judge(first + again).faults() == []
    assert judge(first + again).duplicated == WINDOW
    assert judge(first + sent(*events(*range(29, 50)), connection=2)).faults()


def test_packets_are_found_wherever_the_stream_is_cut():
    """A PUBLISH of MQTT 5 with a property, byte by byte, and the confirmations behind it."""
    topic, payload = b"a/event", b"x" * 200
    body = len(topic).to_bytes(2, "big") + topic + b"\x00\x07" + b"\x02\x01\x00" + payload
    publish = b"\x32" + bytes([len(body) & 0x7F | 0x80, len(body) >> 7]) + body
    stream = publish + b"\x40\x02\x00\x07" + b"\x40\x03\x00\x08\x87"
    splitter = Splitter()
    packets = [packet for k in range(len(stream)) for packet in splitter.feed(stream[k : k + 1])]
    assert b"".join(packet.raw for packet in packets) == stream
    assert packets[0].kind == PUBLISH
    said = read_publish(packets[0], 5)
    assert (said.topic, said.qos, said.packet_id, said.payload) == ("a/event", 1, 7, payload)
    assert [read_puback(packet) for packet in packets[1:]] == [(7, True), (8, False)]


def test_what_grows_is_found_and_what_breathes_is_not():
    """A leak of a megabyte a minute; and a file that is checkpointed again and again."""
    leak = [Sample(k, 1, 60_000_000 + k * 1_000_000 // 60, 9, 12 + k % 3, (k % 50) * 100_000) for k in range(1200)]
    assert [growth.what for growth in judge_growth(leak) if growth.is_endless] == ["memory_bytes"]
