"""The child process of an isolated interpreter: whatever becomes of it, the parent gets an error in time and keeps nothing."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
import tiny_models
from processes import wait_for_end

from agent.core.errors import ModelCrashed, ModelRefused
from agent.models.children import PACKAGES, environment
from agent.models.execution import Execution, Isolation, TrialLimits
from agent.models.isolated import IsolatedInterpreter
from agent.models.trial import Prover


@pytest.fixture
def path(tmp_path):
    file = tmp_path / "model.tflite"
    file.write_bytes(tiny_models.classifier())
    return file


@pytest.fixture
def isolated(path):
    interpreter = IsolatedInterpreter(path, Execution(), Isolation())
    yield interpreter
    interpreter.close()


def open_files() -> list[str]:
    """What stands behind each descriptor of this process, but for the folder that is being read."""
    links = list(Path("/proc/self/fd").iterdir())
    return sorted(str(link.readlink()) for link in links if link.is_symlink())


def mapped_tensors() -> int:
    return Path("/proc/self/maps").read_text().count("memfd:lineside-tensors")


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGKILL, signal.SIGABRT], ids=lambda number: number.name)
def test_a_child_that_ends_is_told_by_how_it_ended(isolated, number):
    """At the next frame, which is lost; this interpreter is of no more use and says so again."""
    os.kill(isolated.pid, number)
    with pytest.raises(ModelCrashed, match=rf"model\.tflite: its child process ended \({number.name}\) while a frame"):
        isolated.invoke()
    for call in (isolated.invoke, isolated.read_outputs):
        with pytest.raises(ModelCrashed, match="ended"):
            call()


def test_a_child_that_does_not_answer_is_ended(path):
    """Stopped here, as one that spins in native code; the message says for how long it was awaited."""
    isolated = IsolatedInterpreter(path, Execution(), Isolation(invoke_timeout_s=0.2))
    os.kill(isolated.pid, signal.SIGSTOP)
    with pytest.raises(ModelCrashed, match=r"did not answer within 0\.2 s while a frame was in it"):
        isolated.invoke()
    wait_for_end(isolated.pid)


@pytest.mark.parametrize(
    ("model", "said", "start_timeout_s"),
    [(tiny_models.crashing(), r"ended \(SIGSEGV\)", 60), (tiny_models.endless(), "did not answer within 3 s", 3)],
    ids=["crashes", "never comes back"],
)
def test_a_crash_while_the_model_is_loaded_is_told(tmp_path, model, said, start_timeout_s):
    """In native code, as the real thing."""
    file = tmp_path / "model.tflite"
    file.write_bytes(model)
    with pytest.raises(ModelCrashed, match=f"{said} while it loaded the model"):
        IsolatedInterpreter(file, Execution(), Isolation(start_timeout_s=start_timeout_s))


@pytest.mark.parametrize(
    "answer",
    [
        b"?",
        b"[]",
        b"\xff",
        b'{"forms": [["uint8", [2.5]]]}',
        b'{"forms": [["float32", [4000000]]]}',
        b'{"forms": [["uint8", [9223372036854775807]]]}',
        b'{"forms": [["float32", [1180591620717411303424]]]}',
        b'{"forms": [["colour", [1]]]}',
        b'{"refused": "it"}',
    ],
)
def test_a_child_that_answers_nonsense_is_ended(isolated, monkeypatch, answer):
    """Its memory is damaged, so nothing that it says is to be trusted."""
    monkeypatch.setattr(isolated, "_ask", lambda *_: answer)
    with pytest.raises(ModelCrashed, match="nonsense"):
        isolated.invoke()
    wait_for_end(isolated.pid)


def test_signals_to_the_whole_service_do_not_end_it(isolated):
    """Ctrl-C and systemd's SIGTERM: the agent decides when its last frame is done."""
    for number in (signal.SIGINT, signal.SIGTERM):
        os.kill(isolated.pid, number)
    isolated.invoke()
    assert os.getsid(isolated.pid) == isolated.pid, "and it is out of the terminal's reach"


def test_it_has_nothing_of_ours_open(path):
    """No socket of the agent, even one that any child would inherit."""
    with socket.create_server(("127.0.0.1", 0)) as ours:
        ours.set_inheritable(True)
        isolated = IsolatedInterpreter(path, Execution(), Isolation())
        held = [str(link.readlink()) for link in Path(f"/proc/{isolated.pid}/fd").iterdir()]
        isolated.close()
    kinds = Counter(name.partition(":")[0] for name in held)
    assert (kinds.pop("/dev/null"), kinds.pop("socket")) == (3, 1)
    assert set(kinds) == {"/memfd", str(path)}


def test_it_learns_no_secret_of_our_environment():
    """What the loader of a library needs stays."""
    ours = {
        "LD_LIBRARY_PATH": "/opt/delegate",
        "LINESIDE_MQTT__PASSWORD": "s",
        "CREDENTIALS_DIRECTORY": "/run/credentials",
        "NOTIFY_SOCKET": "/run/systemd/notify",
        "WATCHDOG_USEC": "1",
    }
    assert environment(ours) == {"LD_LIBRARY_PATH": "/opt/delegate", "OPENBLAS_NUM_THREADS": "1"}


@pytest.mark.parametrize("state", ["waiting", "stopped"])
def test_a_parent_that_is_killed_leaves_no_child(path, state):
    """Neither one that would see the end of its channel, nor one that can look at nothing."""
    script = (
        "import sys\nfrom pathlib import Path\nfrom agent.models.execution import Execution, Isolation\n"
        "from agent.models.isolated import IsolatedInterpreter\n"
        "isolated = IsolatedInterpreter(Path(sys.argv[1]), Execution(), Isolation())\n"
        "print(isolated.pid, flush=True)\nsys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, str(path)], cwd=PACKAGES, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as parent:
        child = int(parent.stdout.readline())
        if state == "stopped":
            os.kill(child, signal.SIGSTOP)
        parent.kill()
        wait_for_end(child)


def test_fifty_restarts_leave_nothing_behind(path):
    """No descriptor, no mapping, no process that nobody waited for; crashed ones and closed ones in turn."""
    IsolatedInterpreter(path, Execution(), Isolation()).close()  # what the first one leaves open for good
    before, mapped = open_files(), mapped_tensors()
    for number in range(50):
        isolated = IsolatedInterpreter(path, Execution(), Isolation())
        if number % 2:
            os.kill(isolated.pid, signal.SIGKILL)
            with pytest.raises(ModelCrashed):
                isolated.invoke()
        isolated.close()
        with pytest.raises(ProcessLookupError):
            os.kill(isolated.pid, 0)
    assert open_files() == before
    assert mapped_tensors() == mapped == 0


def test_a_refused_file_leaves_nothing_behind(tmp_path):
    """Nor does one that crashes."""
    before = open_files()
    for number, content in enumerate((tiny_models.unresolved_custom_op(), tiny_models.crashing())):
        file = tmp_path / f"{number}.tflite"
        file.write_bytes(content)
        with pytest.raises((ModelRefused, ModelCrashed)):
            IsolatedInterpreter(file, Execution(), Isolation())
    assert open_files() == before


def test_what_was_proven_in_process_is_proven_for_a_child(tmp_path, path):
    """It is the same file, runtime and delegate; so a change of the setting costs no trial."""
    prover = Prover(tmp_path)
    report = prover.prove(path, Execution(), TrialLimits(), sha256="of this file")
    path.unlink()
    assert prover.prove(path, Execution(isolation=Isolation()), TrialLimits(), sha256="of this file") == report
