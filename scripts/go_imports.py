"""Checks that the chaincode's rules import nothing that makes endorsers differ, and nothing of Fabric."""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MODULE = "fedledger/chaincode"
# Pure rules: the same input gives the same output on every endorser.
PURE = ("governance", "mode", "membership", "selection", "round", "rewards", "codec", "secagg", "errcode")
IMPURE = (
    "math/rand",
    "math/rand/v2",
    "crypto/rand",
    "net",
    "net/http",
    "os",
    "os/exec",
    "syscall",
    "unsafe",
)
FABRIC_EDGE = ("shim", "contract", "ledger", "cmd/conformance", "cmd/dishonest", ".")
ALLOWED_OUTSIDE = ("google.golang.org/grpc", "google.golang.org/protobuf", MODULE)


def main() -> int:
    """Print every forbidden import; return 1 if there is one."""
    output = subprocess.run(
        [str(ROOT / "scripts" / "go"), "list", "-json=ImportPath,Imports", "./..."],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    problems = [problem for package in _documents(output) for problem in _problems(package)]
    for problem in problems:
        print(problem)
    return 1 if problems else 0


def _problems(package: dict[str, list[str]]) -> list[str]:
    name = str(package["ImportPath"]).removeprefix(MODULE).strip("/") or "."
    pure = name.split("/")[0] in PURE
    at_edge = any(name == edge or name.startswith(f"{edge}/") for edge in FABRIC_EDGE)
    found = []
    for imported in package.get("Imports", []):
        external = "." in imported.split("/")[0] or imported.startswith(MODULE)
        if external and not imported.startswith(ALLOWED_OUTSIDE):
            found.append(f"{name} imports {imported}: only gRPC and protobuf come from outside")
        if pure and imported in IMPURE:
            found.append(f"{name} imports {imported}: rules are pure")
        if not at_edge and imported in {f"{MODULE}/shim", "google.golang.org/grpc"}:
            found.append(f"{name} imports {imported}: Fabric stays at the edge")
    return found


def _documents(text: str) -> list[dict[str, list[str]]]:
    decoder, position, documents = json.JSONDecoder(), 0, []
    while position < len(text.rstrip()):
        document, position = decoder.raw_decode(text, position)
        documents.append(document)
        position += len(text[position:]) - len(text[position:].lstrip())
    return documents


if __name__ == "__main__":
    sys.exit(main())
