"""The unit and what lies beside it, as systemd itself reads them: without a warning, hardened, and in step with the agent."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from agent.config.layers import credentials_layer

SYSTEMD = Path(__file__).parents[2] / "systemd"
UNIT = SYSTEMD / "lineside.service"
DROP_INS = sorted(path.name for path in (SYSTEMD / "lineside.service.d").iterdir())
MOST_EXPOSED = 30
"""Of `systemd-analyze security`, in tenths."""

needs_systemd = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
needs_sysusers = pytest.mark.skipif(
    shutil.which("systemd-sysusers") is None, reason="systemd-sysusers is not installed"
)
needs_tmpfiles = pytest.mark.skipif(
    shutil.which("systemd-tmpfiles") is None, reason="systemd-tmpfiles is not installed"
)


def installed(folder: Path, *drop_ins: str) -> Path:
    """The unit in a folder with some of its drop-ins; its program is one that every machine has."""
    unit = folder / UNIT.name
    unit.write_text(UNIT.read_text().replace("/opt/lineside/bin/lineside", shutil.which("true") or "/bin/true"))
    for name in drop_ins:
        (folder / "lineside.service.d").mkdir(exist_ok=True)
        shutil.copy(SYSTEMD / "lineside.service.d" / name, folder / "lineside.service.d")
    return unit


def analyze(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """`systemd-analyze`, with what it says."""
    return subprocess.run(
        ["systemd-analyze", "--no-pager", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=60,
    )


@needs_systemd
@pytest.mark.parametrize("drop_ins", [[], DROP_INS], ids=["alone", "with all drop-ins"])
def test_the_unit_is_read_without_a_warning(tmp_path, drop_ins):
    """By itself, and with all of its drop-ins."""
    verified = analyze("verify", installed(tmp_path, *drop_ins))
    assert (verified.returncode, verified.stdout) == (0, "")


@needs_systemd
def test_the_test_above_can_fail(tmp_path):
    """A word that systemd does not know is a warning."""
    unit = installed(tmp_path)
    unit.write_text(unit.read_text().replace("ProtectHome=", "ProtectHouse="))
    assert "ProtectHouse" in analyze("verify", unit).stdout


@needs_systemd
@pytest.mark.parametrize("drop_ins", [[], ["cameras.conf", "credentials.conf"]], ids=["alone", "with USB and secrets"])
def test_the_unit_gives_away_little(tmp_path, drop_ins):
    """At most 3.0 of 10 on systemd's scale of exposure."""
    judged = analyze("security", "--offline=true", f"--threshold={MOST_EXPOSED}", installed(tmp_path, *drop_ins))
    assert judged.returncode == 0, judged.stdout


@needs_sysusers
def test_the_user_is_one_that_systemd_can_make(tmp_path):
    """With the group of cameras."""
    (tmp_path / "etc").mkdir()
    command = ["systemd-sysusers", f"--root={tmp_path}", "--dry-run", str(SYSTEMD / "lineside.sysusers.conf")]
    said = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert "lineside" in said.stdout + said.stderr


@needs_tmpfiles
def test_the_folders_are_made(tmp_path):
    """Secrets are for root alone; systemd hands them over."""
    lines = [line.split() for line in (SYSTEMD / "lineside.tmpfiles.conf").read_text().splitlines()]
    folders = {line[1]: line[2] for line in lines if line and line[0] == "d"}
    command = ["systemd-tmpfiles", "--create", "-", f"--root={tmp_path}"]
    mine = "\n".join(f"d {path} {mode} - - -" for path, mode in folders.items())
    subprocess.run(command, input=mine, text=True, check=True, timeout=60, capture_output=True)
    modes = {path: oct((tmp_path / path[1:]).stat().st_mode & 0o777) for path in folders}
    assert modes["/etc/lineside/secrets"] == "0o700"
    assert modes == {path: oct(int(mode, 8)) for path, mode in folders.items()}


def test_the_credentials_that_are_shown_are_those_the_agent_looks_for(tmp_path):
    """One that it does not know would be handed over and never used."""
    text = (SYSTEMD / "lineside.service.d/credentials.conf").read_text()
    names = re.findall(r"^#?LoadCredential=([\w-]+):", text, re.MULTILINE)
    for name in names:
        (tmp_path / name).write_text("x")
    layer, findings = credentials_layer({"CREDENTIALS_DIRECTORY": str(tmp_path)})
    assert (len(names), len(layer.values["mqtt"]), findings) == (5, 5, [])


def test_a_device_is_never_given_up_and_always_watched():
    """However often it failed it is tried again; and a main loop that comes round twice a second is given half a minute."""
    text = UNIT.read_text()
    assert re.search(r"^StartLimitIntervalSec=0$", text, re.MULTILINE)
    assert re.search(r"^Restart=on-failure$", text, re.MULTILINE)
    assert re.search(r"^WatchdogSec=60s$", text, re.MULTILINE)
