"""`lineside registry …` as people type it: a ceremony, a server in a process of its own, an owner, an operator."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from dataclasses import dataclass
from typing import Any

import pytest
from command import environment
from line import CLASSIFIER_TOML, write_bundle

from agent import __main__
from cloud_sync import manifest
from cloud_sync.registry.registry import Registry
from cloud_sync.registry.settings import Settings
from cloud_sync.signers import create_key_file

PASSPHRASE = "correct horse battery"


@dataclass(frozen=True)
class Ran:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@pytest.fixture
def lineside(monkeypatch, capsys, tmp_path):
    """Runs a command in this process; imports are paid for once."""
    monkeypatch.chdir(tmp_path)
    for name in ("LINESIDE_REGISTRY", "LINESIDE_REGISTRY_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setitem(create_key_file.__kwdefaults__, "rounds", 1000)
    monkeypatch.setitem(Registry.init.__func__.__kwdefaults__, "key_rounds", 1000)
    (tmp_path / "passphrase").write_text(f"{PASSPHRASE}\n")

    def run(line: str) -> Ran:
        monkeypatch.setattr(sys, "argv", ["lineside", *line.split()])
        code: Any = 0
        try:
            __main__.main()
        except SystemExit as end:
            code = end.code
        said = capsys.readouterr()
        return Ran(code or 0, said.out, said.err)

    return run


def bundle(folder, version):
    """Packed, and able to run here."""
    write_bundle(folder, toml=CLASSIFIER_TOML.replace('version = "1.0.0"', f'version = "{version}"'))
    name = CLASSIFIER_TOML.split('name = "')[1].split('"')[0]
    manifest.write(folder, manifest.describe(folder, name, version))
    return name


def test_each_custodian_has_a_passphrase(lineside, monkeypatch, tmp_path):
    """Typed in turn, or in a folder with a file for each key; one key's opens no other."""
    words = {
        "root-1": "root one's five words",
        "root-2": "two's",
        "root-3": "root three's five words",
        "targets": "targets'",
    }
    words = {name: f"{word} and no other" for name, word in words.items()}
    typed = iter([word for word in words.values() for _ in range(2)])
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("getpass.getpass", lambda *_: next(typed))
    made = lineside("registry init reg --offline-keys stick --passphrases each")
    assert (made.code, "a passphrase of its own" in made.out) == (0, True)
    assert re.findall(r"new passphrase of (\S+)\.pem", made.err) == list(words)
    secrets = tmp_path / "secrets"
    secrets.mkdir()
    (secrets / "root-1.pem").write_text(f"{words['root-1']}\n")
    (secrets / "root-3.pem").write_text(f"{words['root-3']}\n")
    (secrets / "root-2.pem").write_text(f"{words['root-1']}\n")
    rotate = (
        "registry rotate timestamp -r reg --passphrase-file secrets --root-key stick/root-1.pem --root-key stick/root-"
    )
    assert lineside(f"{rotate}3.pem").code == 0
    assert lineside(f"{rotate}2.pem").code == 1


def test_the_status_warns_sixty_days_before_a_person_must_sign(lineside, tmp_path):
    """Of what only a person can sign, and not of what the registry signs by itself every other day."""
    settings = Settings(root_days=62, targets_days=59)
    Registry.init(tmp_path / "reg", tmp_path / "stick", lambda _: PASSPHRASE, settings=settings)
    said = lineside("registry status -r reg")
    assert (said.code, said.err.count("warning")) == (0, 1)
    assert "warning: targets must be signed again by " in said.err
    assert "next: docs/how-to/keys.md" in said.err
    renewed = lineside("registry status -r reg --json")
    assert {each["role"] for each in renewed.json["roles"]} == {"root", "targets", "snapshot", "timestamp"}


def test_from_the_ceremony_to_a_version_that_was_taken_back(lineside, monkeypatch, tmp_path):
    """Each result is JSON on stdout, each secret is shown once, and the server ends when it is asked to."""
    name = bundle(tmp_path / "b", "1.0.0")
    keys = "--passphrase-file passphrase"
    made = lineside(f"registry init reg --offline-keys stick {keys}")
    assert (made.code, "root_sha256" in made.out) == (0, True)
    assert lineside(f"registry init reg --offline-keys other {keys}").code == 1
    assert lineside(f"registry owner-key owner.pem {keys}").code == 0
    owned = lineside(
        f"registry add-model {name} -r reg --owner owner.pub --targets-key stick/targets.pem {keys} --json"
    )
    assert (owned.code, owned.json["threshold"]) == (0, 1)
    token = lineside(f"registry token create ci --role publisher --model {name} -r reg").out.strip()

    command = [sys.executable, "-m", "agent", "registry", "serve", "reg", "--port", "0"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment()
    ) as server:
        url = server.stdout.readline().strip().removeprefix("listening on ")
        monkeypatch.setenv("LINESIDE_REGISTRY", url)
        assert lineside("registry models list").code == 2
        monkeypatch.setenv("LINESIDE_REGISTRY_TOKEN", "guessed")
        refused = lineside("registry models list --json")
        assert (refused.code, refused.json["error"]["code"]) == (1, "token-invalid")
        monkeypatch.setenv("LINESIDE_REGISTRY_TOKEN", token)
        first = lineside(f"registry publish b --channel canary --hardware x86_64 --key owner.pem {keys} --json")
        assert (first.code, first.json["release"], first.json["version"]["hardware"]) == (0, 1, ["x86_64"])
        assert f"sha256 {first.json['root_sha256']}" in first.err, "trusted at first use, and said so"
        bundle(tmp_path / "b2", "1.1.0")
        assert lineside(f"registry publish b2 --channel canary --key owner.pem {keys}").code == 0
        shown = lineside(f"registry models show {name} --json").json
        assert [each["channels"] for each in shown["versions"]] == [["canary"], []]
        assert lineside(f"registry channel stable {name}=1.0.0 --json").json["models"] == {name: "1.0.0"}
        gated = lineside(f"registry channel stable {name}=1.0.0 --gate bake_s=7200 --gate canary_share=0.05 --json")
        assert gated.json["gates"] == {name: {"bake_s": 7200, "canary_share": 0.05}}
        assert "bake_s=7200 canary_share=0.05" in lineside("registry channel").out
        misspelt = lineside(f"registry channel stable {name}=1.0.0 --gate bake=60")
        assert (misspelt.code, "did you mean bake_s?" in misspelt.err) == (1, True)
        assert lineside(f"registry channel stable {name}=1.0.0 --gate bake_s").code == 2
        assert lineside("registry channel stable --gate bake_s=60").code == 2, "for which model?"
        fewer = lineside(f"registry channel stable {name}=1.0.0 --gate bake_s= --json")
        assert fewer.json["gates"] == {name: {"canary_share": 0.05}}
        assert lineside(f"registry assign press-07 {name}=1.0.0").code == 1, "a publisher has no say in single devices"
        back = lineside(f"registry yank {name} 1.1.0 --key owner.pem {keys} --json")
        assert (back.code, back.json["returned"]) == (0, {"channel:canary": "1.0.0"})
        server.send_signal(signal.SIGTERM)
        _, said = server.communicate(timeout=60)
        assert (server.returncode, "Traceback" in said) == (0, False)
    assert lineside("registry models list").code == 4
    assert lineside("registry log -r reg --verify --json").json["verified"] > 5
    assert lineside(f"registry export --model {name} --to usb -r reg --json").json["versions"] == [f"{name} 1.0.0"]


def test_a_key_is_replaced_by_command(lineside):
    """Too few root keys are not trusted; what is missing in the call is usage."""
    keys = "-r reg --passphrase-file passphrase"
    assert lineside("registry init reg --offline-keys stick --passphrase-file passphrase").code == 0
    one, two = "--root-key stick/root-1.pem", "--root-key stick/root-2.pem"
    assert lineside(f"registry rotate timestamp {one} {keys}").code == 5
    assert lineside(f"registry rotate timestamp {keys}").code == 2
    assert lineside(f"registry rotate nobody {keys}").code == 2
    assert lineside(f"registry rotate timestamp {one} {two} {keys} --json").json["role"] == "timestamp"
    assert lineside(f"registry rotate assignment --targets-key stick/targets.pem {keys}").code == 0
    new = lineside(
        f"registry rotate targets {one} {two} --targets-key stick/targets.pem --new-key new.pem {keys} --json"
    )
    assert len(new.json["keyid"]) == 64
    assert lineside(f"registry rotate targets --targets-key stick/targets.pem {keys}").code == 5
    assert lineside(f"registry rotate targets --targets-key new.pem {keys}").code == 0
    roles = {each["role"]: each["offline"] for each in lineside("registry status -r reg --json").json["roles"]}
    assert (roles["root"], roles["targets"], roles["timestamp"]) == (True, True, False)
