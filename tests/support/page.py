"""Follows a page of the documentation literally: writes the files that it has one write, types what it has one type, in one shell and in
further terminals, and compares what comes with what the page shows.

- A block of `sh` is typed as it stands, except the one that installs. It ends at its first failure.
- In a block of `console`, lines that begin with `$ ` are typed, with the lines that a `\\` at the end draws in. What stands between them must be
  shown, in this order; other lines may come in between. Numbers, digests, times and the user's name may be others. `…` stands for
  anything. Where a line begins with `error:`, the command must fail, else it must not.
- After "In a … terminal:" the command goes on in a terminal of its own, and is waited for until it shows what the page shows.
- After "Within …" a command is typed again until it shows what the page shows.
- After "Ctrl-C in the terminals …" each of them is asked to end, the last one first, and must end well, before what follows is typed.
- After "Write this as `NAME`:" a block is a file. After "… terminal … says:" it is what any terminal shows by then.
"""

from __future__ import annotations

import contextlib
import os
import re
import select
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from typing_extensions import Self

ROOT = Path(__file__).parents[2]
LONG_S = 90.0
"""Deadline of each step, on a machine that others use too."""
_AGAIN_S = 0.3
_TYPE_AGAIN_S = 2.0
"""A command costs a second of a processor, and the machine is to do what is waited for."""
_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_WRITE = re.compile(r"Write this as `([\w./-]+)`:$")


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that a page has one do.

    Attributes:
        what: `write`, `type`, `terminal`, `says` or `end`.
        text: What is typed, or the content of the file.
        shown: What the page shows of what comes.
        name: Of the file.
        again: Whether it is typed until it shows that.
        whole: Whether `text` is a block that ends at its first failure.
    """

    what: str
    text: str = ""
    shown: tuple[str, ...] = ()
    name: str = ""
    again: bool = False
    whole: bool = False


def steps(text: str) -> Iterator[Step]:
    """What a page has one do, in its order."""
    end = 0
    for fence in _FENCE.finditer(text):
        said = " ".join(text[end : fence.start()].rstrip().rpartition("\n\n")[2].split())
        end = fence.end()
        language, block = fence.groups()
        if said.startswith("Ctrl-C in the terminals"):
            yield Step("end")
        if found := _WRITE.search(said):
            yield Step("write", block, name=found[1])
        elif language == "sh" and "pip install" not in block:
            yield Step("type", block, whole=True)
        elif language == "console":
            what = "terminal" if re.search(r"[Ii]n a \w+ terminal:$", said) else "type"
            for command, shown in _typed(block):
                yield Step(what, command, shown, again=bool(re.search(r"\bWithin\b[^.]*:$", said)))
        elif not language and re.search(r"terminal.* says:$", said):
            yield Step("says", shown=tuple(block.splitlines()))


def _typed(block: str) -> Iterator[tuple[str, tuple[str, ...]]]:
    for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
        lines = part.splitlines()
        last = next(k for k, line in enumerate(lines) if not line.endswith("\\"))
        yield "\n".join(lines[: last + 1]), tuple(lines[last + 1 :])


def missing(shown: tuple[str, ...], came: str, *, in_order: bool = True) -> str | None:
    """The first line of a page that did not come, or None. What threads say at the same time has no order."""
    said = [_blurred(line) for line in came.splitlines()]
    lines = iter(said)
    for line in shown:
        if line.strip() in ("", "…"):
            continue
        form = re.compile(".*".join(map(re.escape, _blurred(line).split("…"))))
        if not any(form.fullmatch(other) for other in (lines if in_order else said)):
            return line
    return None


def _blurred(line: str) -> str:
    line = re.sub(r"\boperator:\w+", "operator:somebody", line)
    line = re.sub(r"\b(?=\w*\d)[0-9a-f]{12,}(…?)", r"#\1", line)
    return " ".join(re.sub(r"\d+(,\d{3})*", "#", line).split())


class Follower:
    """Follows one page. `with Follower(page, folder, {"1883": "41000"}) as follower: follower.follow()`."""

    def __init__(
        self, page: str, folder: Path, instead: Mapping[str, str], env: Mapping[str, str] | None = None
    ) -> None:
        """Store.

        Args:
            page: Its path below the project.
            folder: Where the page begins; also the home of whoever follows it.
            instead: What is replaced in the page's text, such as ports.
            env: What else stands in the environment.
        """
        text = (ROOT / page).read_text(encoding="utf-8")
        for old, new in instead.items():
            assert old in text, f"{page} does not say {old}"
            text = text.replace(old, new)
        self.steps = list(steps(text))
        self._out = folder / "shown"
        self._out.mkdir()
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("LINESIDE_", "XDG_"))}
        path = f"{Path(sys.executable).parent}{os.pathsep}{inherited['PATH']}{os.pathsep}/usr/sbin"
        self._env = {**inherited, "PATH": path, "HOME": str(folder), "NO_COLOR": "1", **(env or {})}
        self._shell = subprocess.Popen(
            ["bash", "--noprofile", "--norc"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=folder,
            env=self._env,
            start_new_session=True,
        )
        self._terminals: list[tuple[subprocess.Popen[bytes], Path]] = []
        self._count = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """End everything that this page has begun."""
        for process, _out in self._terminals:
            if process.poll() is None:
                process.kill()
            process.wait(LONG_S)
        for pipe in (self._shell.stdin, self._shell.stdout):
            if pipe is not None:
                pipe.close()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._shell.pid, signal.SIGKILL)
        self._shell.wait(LONG_S)

    @property
    def folder(self) -> Path:
        """Where the shell is by now."""
        return Path(f"/proc/{self._shell.pid}/cwd").resolve()

    def follow(self) -> None:
        """Take every step."""
        for step in self.steps:
            self.take(step)

    def take(self, step: Step) -> None:
        """Take one step, and compare what comes with what the page shows."""
        if step.what == "write":
            (self.folder / step.name).write_text(step.text, encoding="utf-8")
        elif step.what == "says":
            self._wait_for_any(step)
        elif step.what == "end":
            self._end_terminals()
        elif step.what == "terminal":
            self._open(step)
        else:
            self._type(step)

    def _end_terminals(self) -> None:
        for process, out in reversed(self._terminals):
            process.send_signal(signal.SIGINT)
            assert process.wait(LONG_S) == 0, out.read_text(encoding="utf-8")

    def _type(self, step: Step) -> None:
        until_s = time.monotonic() + LONG_S
        fails = any(line.startswith("error:") for line in step.shown)
        while True:
            code, came = self._typed(f"set -e\n{step.text}set +e\n" if step.whole else step.text)
            lacks = missing(step.shown, came)
            if (code != 0) == fails and lacks is None:
                return
            if not step.again or time.monotonic() > until_s:
                raise AssertionError(f"$ {step.text}\n{came}\nexit code {code}; the page shows: {lacks}")
            time.sleep(_TYPE_AGAIN_S)

    def _typed(self, text: str) -> tuple[int, str]:
        assert self._shell.stdin is not None
        assert self._shell.stdout is not None
        self._count += 1
        script, out = self._out / f"{self._count}.sh", self._out / f"{self._count}.txt"
        script.write_text(text + "\n", encoding="utf-8")
        self._shell.stdin.write(f". {script} > {out} 2>&1 < /dev/null; echo $?\n".encode())
        self._shell.stdin.flush()
        assert select.select([self._shell.stdout], [], [], LONG_S)[0], f"$ {text}\nis not done after {LONG_S:g} s"
        said = self._shell.stdout.readline()
        came = out.read_text(encoding="utf-8")
        assert said, f"$ {text}\n{came}\nfailed"
        return int(said), came

    def _open(self, step: Step) -> None:
        self._count += 1
        out = self._out / f"{self._count}.txt"
        with out.open("wb") as file:
            process = subprocess.Popen(
                ["bash", "-c", f"exec {step.text}"],
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                cwd=self.folder,
                env=self._env,
            )
        self._terminals.append((process, out))
        until_s = time.monotonic() + LONG_S
        while (lacks := missing(step.shown, out.read_text(encoding="utf-8"), in_order=False)) is not None:
            assert process.poll() is None, f"$ {step.text}\n{out.read_text(encoding='utf-8')}\nended"
            assert time.monotonic() < until_s, f"$ {step.text}\n{out.read_text(encoding='utf-8')}\nlacks: {lacks}"
            time.sleep(_AGAIN_S)

    def _wait_for_any(self, step: Step) -> None:
        until_s = time.monotonic() + LONG_S
        while all(
            missing(step.shown, out.read_text(encoding="utf-8")) is not None for _process, out in self._terminals
        ):
            assert time.monotonic() < until_s, f"no terminal says {step.shown}"
            time.sleep(_AGAIN_S)
