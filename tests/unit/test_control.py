"""The control socket: one question, one answer, whatever comes in and wherever the state directory lies."""

from __future__ import annotations

import json
import socket
import stat
import threading
from typing import TYPE_CHECKING

import pytest
from deadlines import LONG_S
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.control import ControlServer, ask
from agent.core.errors import AgentUnreachable

if TYPE_CHECKING:
    from pathlib import Path

ANSWER = {"status": {"state": "online"}, "pid": 7}


@pytest.fixture(scope="module")
def state_dir(tmp_path_factory):
    """With a server that answers `status`."""
    folder = tmp_path_factory.mktemp("state")
    server = ControlServer(folder, {"status": lambda _: ANSWER})
    server.start()
    yield folder
    server.close()


def raw(state_dir: Path, request: bytes) -> bytes:
    """What the server answers to bytes of any kind."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(LONG_S)
        connection.connect(str(state_dir / "agent.sock"))
        try:
            connection.sendall(request)
            connection.shutdown(socket.SHUT_WR)
        except OSError:  # it has read enough, answered and left
            pass
        with connection.makefile("rb") as reply:
            return reply.readline()


def test_a_question_is_answered(state_dir):
    """By the object that the answer's function gives."""
    assert ask(state_dir, "status") == ANSWER


def test_a_question_may_name_all_that_is_in_quarantine(tmp_path):
    """A hundred thousand numbers at most."""
    server = ControlServer(tmp_path, {"count": lambda request: {"count": len(request["ids"])}})
    server.start()
    assert ask(tmp_path, "count", ids=list(range(100_000))) == {"count": 100_000}
    server.close()


def test_a_slow_answer_holds_up_nobody(tmp_path):
    """Each question has a thread of its own."""
    go, asked = threading.Event(), threading.Event()

    def slow(_request) -> dict[str, object]:
        asked.set()
        assert go.wait(LONG_S)
        return {"slow": True}

    server = ControlServer(tmp_path, {"slow": slow, "status": lambda _: ANSWER})
    server.start()
    answers: list[dict[str, object]] = []
    waiting = threading.Thread(target=lambda: answers.append(ask(tmp_path, "slow")))
    try:
        waiting.start()
        assert asked.wait(LONG_S)
        assert ask(tmp_path, "status") == ANSWER
        go.set()
        waiting.join(LONG_S)
        assert answers == [{"slow": True}]
    finally:
        go.set()
        server.close()


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"",
        b"\n",
        b"junk\n",
        b"\xff\xfe\x00\n",
        b"[]\n",
        b"3\n",
        b'"ask"\n',
        b"{}\n",
        b'{"ask": []}\n',
        b'{"ask": {}}\n',
        b'{"ask": "reboot"}\n',
        b"[" * 4000 + b"\n",
        b'{"ask": "' + b"x" * 1_000_000 + b'"}\n',
    ],
    ids=lambda request: repr(request[:12]),
)
def test_what_is_not_understood_gets_an_answer_that_says_so(state_dir, capfd, request_bytes):
    """Junk and huge requests too; nothing is printed, and the next question is answered."""
    assert json.loads(raw(state_dir, request_bytes)) == {"error": "not understood", "known": ["status"]}
    assert ask(state_dir, "status") == ANSWER
    assert capfd.readouterr().err == ""


@settings(deadline=None)
@given(request=st.binary(max_size=100))
def test_any_bytes_get_an_object(state_dir, request):
    """Hostile or broken, one line comes back."""
    assert isinstance(json.loads(raw(state_dir, request)), dict)


def test_the_state_directory_may_lie_deep(tmp_path):
    """The kernel takes 107 bytes of a socket's path; the folder's own may be longer."""
    deep = tmp_path.joinpath(*["a-long-name-of-a-folder"] * 8)
    deep.mkdir(parents=True)
    assert len(str(deep)) > 107
    server = ControlServer(deep, {"status": lambda _: ANSWER})
    server.start()
    try:
        assert ask(deep, "status") == ANSWER
    finally:
        server.close()


def test_only_the_user_of_the_agent_may_connect(state_dir):
    """Mode 0600, whatever the umask."""
    assert stat.S_IMODE((state_dir / "agent.sock").stat().st_mode) == 0o600


def test_it_may_be_closed_twice_and_without_a_start(tmp_path):
    """The socket is gone after the first time."""
    server = ControlServer(tmp_path, {})
    server.close()
    server.start()
    server.close()
    assert not (tmp_path / "agent.sock").exists()
    server.close()


def test_a_socket_that_a_killed_agent_left_is_replaced(tmp_path):
    """Else nobody could start again."""
    stale = socket.socket(socket.AF_UNIX)
    stale.bind(str(tmp_path / "agent.sock"))
    stale.close()
    server = ControlServer(tmp_path, {"status": lambda _: ANSWER})
    server.start()
    try:
        assert ask(tmp_path, "status") == ANSWER
    finally:
        server.close()


def test_where_no_agent_runs_the_next_step_is_named(tmp_path):
    """No folder, no socket, and a socket without an agent are told apart by the system's words."""
    stale = socket.socket(socket.AF_UNIX)
    (tmp_path / "stale").mkdir()
    stale.bind(str(tmp_path / "stale" / "agent.sock"))
    stale.close()
    for folder, reason in (
        (tmp_path / "none", "No such file"),
        (tmp_path, "No such file"),
        (tmp_path / "stale", "refused"),
    ):
        with pytest.raises(AgentUnreachable, match=reason) as caught:
            ask(folder, "status")
        assert str(folder) in str(caught.value)
        assert "lineside run" in caught.value.hint
        assert caught.value.exit_code == 4


def test_an_agent_that_does_not_know_the_question_is_an_error(state_dir):
    """Such as one of another version: no command is left with half an answer."""
    with pytest.raises(AgentUnreachable, match="does not understand 'reboot'"):
        ask(state_dir, "reboot")


def test_an_answer_that_is_no_object_is_an_error(tmp_path):
    """Whatever listens there, it is no agent."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "agent.sock"))
        listener.listen()

        def answer(content: bytes) -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(content)

        for content in (b"3\n", b"junk\n", b""):
            thread = threading.Thread(target=answer, args=(content,))
            thread.start()
            with pytest.raises(AgentUnreachable):
                ask(tmp_path, "status")
            thread.join(LONG_S)


def test_a_folder_that_takes_no_socket_is_told_and_leaves_nothing_open(tmp_path):
    """The agent goes on without; closing what never began does no harm."""
    server = ControlServer(tmp_path / "missing", {})
    with pytest.raises(OSError, match="No such file"):
        server.start()
    server.close()
