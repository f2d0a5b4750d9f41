"""Debian's nginx as an ordinary process on the loopback, with the server block that our documentation tells people to write."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from deadlines import LONG_S
from ports import HeldPort

if TYPE_CHECKING:
    from collections.abc import Mapping

PROGRAM = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")
PAGE = Path(__file__).resolve().parents[2] / "docs" / "how-to" / "registry.md"
needs_nginx = pytest.mark.skipif(PROGRAM is None, reason="nginx is not installed; see tests/install-tools")
AROUND = """\
daemon off;
master_process off;
user root;
pid {folder}/nginx.pid;
error_log stderr;
events {{ worker_connections 64; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
{server}
}}
"""


def documented() -> str:
    """The block of the page."""
    (block,) = re.findall(r"```nginx\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    return block


class Nginx:
    """`with Nginx(folder, block, changes) as nginx:`, where `changes` says what of the documented block is called otherwise here.

    Attributes:
        port: Where it listens, on the loopback.
        log: What it said on stderr, after its end.
    """

    def __init__(self, folder: Path, block: str, changes: Mapping[str, str]) -> None:
        self._held = HeldPort()
        self.port, self.log = self._held.number, ""
        for here in (*changes, "listen 443 ssl;"):
            assert here in block, here
        for old, new in {**changes, "listen 443 ssl;": f"listen 127.0.0.1:{self.port} ssl reuseport;"}.items():
            block = block.replace(old, new)
        self._file = folder / "nginx.conf"
        self._file.write_text(AROUND.format(folder=folder, server=block), encoding="utf-8")
        self._folder = folder

    def __enter__(self):
        command = [PROGRAM, "-p", str(self._folder), "-c", str(self._file)]
        self._process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        until_s = time.monotonic() + LONG_S
        while not (self._folder / "nginx.pid").exists():
            assert self._process.poll() is None, self._process.stderr.read()
            assert time.monotonic() < until_s
            time.sleep(0.01)
        return self

    def __exit__(self, *_: object) -> None:
        os.kill(self._process.pid, signal.SIGTERM)
        self.log = self._process.communicate(timeout=LONG_S)[1]
        self._held.close()
