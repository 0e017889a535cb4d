"""What organisations do to their own hosts while the federation trains: backups, certificates, a new chaincode."""

import json
import re
import shutil
from functools import partial
from pathlib import Path

from network.checkout import chaincode_sources
from tests.hosts.federation import LATER, SECTIONS, Federation, again, until
from tests.hosts.page import MEMBERS, runbook, successor

NEWER = 'package main\n\nimport "log/slog"\n\nfunc init() { slog.Debug("the newer program") }\n'
DONE = "the new program answers"


def lose_and_restore(founded: Federation, name: str) -> None:
    """Back a member's folder up, delete its disk while a round is open, and bring it back from the backup."""
    host, safe = founded[name], founded[name].base.parent / "safe"
    (host.disk / "passphrase").write_text("only in this test\n")
    rows, plan = (host.disk / "rows.csv").read_bytes(), (host.disk / "tumour.flplan").read_bytes()
    host.do("fedledger network down")
    host.do("fedledger org backup the.backup --passphrase-file passphrase")
    safe.mkdir()
    shutil.copy(host.disk / "the.backup", safe)
    host.do("fedledger org join")
    until(lambda: name in founded.survivors(), founded.attempts)
    founded.stop(name, "node")
    host.do("fedledger network down")
    for path in host.disk.iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    shutil.copy(safe / "the.backup", host.disk)
    (host.disk / "passphrase").write_text("only in this test\n")
    (host.disk / "rows.csv").write_bytes(rows)
    (host.disk / "tumour.flplan").write_bytes(plan)
    host.do("fedledger org restore the.backup --passphrase-file passphrase")
    host.do("fedledger org join")
    founded.start(name, "fedledger node run --data rows.csv > node.log")


def serials(founded: Federation, name: str) -> dict[str, str]:
    """Return the serial number of each of an organisation's certificates, by identity."""
    listed = json.loads(founded[name].do("fedledger identity list --json"))
    return {entry["name"]: entry["serial"] for entry in listed if entry["organisation"] == name}


def upgrade(founded: Federation) -> list[str]:
    """Upgrade the chaincode member by member, by one lock; return what each said at last."""
    sources = newer(founded["hospital-a"].base.parent)
    members = [*MEMBERS, *([LATER] if (founded[LATER].run / "org.yaml").exists() else [])]
    founded["hospital-a"].do(f"fedledger network lock --version 1.1 --sources {sources}")
    founded.send("hospital-a", "package.lock", *members)
    said: dict[str, str] = {}
    while waiting := [name for name in members if DONE not in said.get(name, "")]:
        for name in waiting:
            said[name] = founded[name].do(f"fedledger org upgrade package.lock --sources {sources}")
        assert any(DONE in text for text in said.values()), said
    return list(said.values())


def newer(folder: Path) -> Path:
    """Return the chaincode's sources with a change that alters no rule."""
    sources = folder / "newer"
    shutil.copytree(chaincode_sources(), sources, ignore=shutil.ignore_patterns("*_test.go", "testdata"))
    (sources / "newer.go").write_text(NEWER)
    return sources


def rotate_orderer(founded: Federation) -> None:
    """Give an orderer new certificates, by the page of certificates that have ended."""
    (steps,) = runbook("certificate-ended")
    together(founded, steps)


def replace_orderer(founded: Federation, gone: str, heir: str) -> None:
    """Let another organisation's orderer take the place of one that is gone, by the page of orderers that are."""
    remove, add = runbook("orderer-gone")
    founded[gone].do(f"fedledger network stop orderer1.{gone}")
    together(founded, remove)
    definition = founded[heir].run / "consortium" / "consortium.yaml"
    before, entry, after = definition.read_text().partition(f"- name: {heir}\n")
    definition.write_text(before + entry + after.replace("orderers: []", successor(), 1))
    together(founded, add)
    founded[heir].do("fedledger org join")


def together(founded: Federation, steps: list[tuple[str, str]]) -> None:
    """Give several organisations' commands in turn; files go to everybody, and what was submitted all others adopt."""
    everybody = [name for name in (*SECTIONS, LATER) if (founded[name].run / "org.yaml").exists()]
    for who, command in steps:
        files = re.findall(r"\S+\.(?:update|export)", command)
        if " sign " in command and who not in missing(founded, who, files[0]):
            continue  # fewer organisations order here than on the page: no more signatures are asked for
        founded[who].do(command)
        for file in files:
            founded.send(who, file, *everybody)
        if " submit " in command:
            for other in set(everybody) - {who}:
                again(partial(founded[other].do, f"fedledger network update adopt {files[0]}"))


def missing(founded: Federation, who: str, file: str) -> list[str]:
    """Return whose signatures a change still asks for."""
    shown = json.loads(founded[who].do(f"fedledger network update show {file} --json"))
    return [name for each in shown["missing"] for name in each["of"]]
