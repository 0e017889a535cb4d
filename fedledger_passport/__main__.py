"""The command `fedledger-passport`."""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from fedledger_passport.codes import CATALOGUE
from fedledger_passport.envelope import Envelope
from fedledger_passport.errors import PassportError
from fedledger_passport.trust import Trust
from fedledger_passport.verifying import Verified, verify

REFUSED = 4
"""Exit code of a passport that does not hold; 1 is for what cannot be read."""


def main(arguments: list[str] | None = None) -> int:
    """Check a passport or show what it says; return 0, 1 (cannot be read) or 4 (refused)."""
    options = _parser().parse_args(arguments)
    try:
        if options.command == "show":
            print(json.dumps(Envelope.read(options.passport.read_bytes()).statement, indent=2))
        else:
            _show(_verified(options), as_json=options.json)
    except PassportError as error:
        return _explain(error, as_json=options.json)
    except OSError as error:
        print(f"{error.filename}: {error.strerror}", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("fedledger-passport", description="Check a model's passport, without a ledger.")
    commands = parser.add_subparsers(dest="command", required=True)
    check = commands.add_parser("verify", help="Check signatures, majority, lineage and files.")
    check.add_argument("--trust", type=Path, required=True, help="The folder of organisations that one trusts.")
    check.add_argument("--model", type=Path, help="The folder with the model's files.")
    check.add_argument("--withdrawal", type=Path, action="append", default=[], help="A withdrawal that one knows of.")
    for command in (check, commands.add_parser("show", help="Show what it says, unchecked.")):
        command.add_argument("passport", type=Path, metavar="FILE")
        command.add_argument("--json", action="store_true", help="Print JSON for machines.")
    return parser


def _verified(options: argparse.Namespace) -> Verified:
    withdrawals = [path.read_bytes() for path in options.withdrawal]
    trust = Trust.load(options.trust)
    return verify(options.passport.read_bytes(), trust, model=options.model, withdrawals=withdrawals)


def _show(found: Verified, *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(found.as_json(), indent=2))
        return
    said: dict[str, Any] = found.statement["predicate"]
    final, lineage = said["final"], said["lineage"]
    print(f"{said['release']}: {final['training']}, round {final['round']}, of {said['channel']}")
    print(f"signed by {len(found.signed_by)} of {found.organisations} organisations: {', '.join(found.signed_by)}")
    print(f"{len(lineage['steps'])} rounds, the last with {len(said['survivors'])} participants")
    print("metrics: " + ", ".join(f"{name} {value}" for name, value in sorted(said["metrics"].items())))
    print("it does not prove " + "; ".join(said["not_proven"]))
    if found.unlisted:
        print("it says nothing of " + ", ".join(found.unlisted))


def _explain(error: PassportError, *, as_json: bool) -> int:
    hint = CATALOGUE[error.code].hint
    if as_json:
        said = {"code": error.code, "message": error.message, "where": error.where, "hint": hint}
        print(json.dumps({"error": said}, indent=2))
    else:
        print(f"refused: {error}. {hint}".rstrip(), file=sys.stderr)
    return REFUSED


if __name__ == "__main__":
    sys.exit(main())
