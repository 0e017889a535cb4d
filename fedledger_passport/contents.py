"""What a statement says, held against itself: nothing here believes a signature, nothing needs one."""

import json
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from fedledger_passport import codes
from fedledger_passport.errors import PassportError
from fedledger_passport.strict import canonical, problem

STATEMENT: Final = "https://in-toto.io/Statement/v1"
PASSPORT: Final = "urn:fedledger:model-passport:1"
WITHDRAWAL: Final = "urn:fedledger:model-withdrawal:1"
STATE: Final = "state"
"""The subject that is the state itself; no file has this name."""
SCHEMAS: Final[dict[str, Any]] = json.loads((Path(__file__).parent / "schema.json").read_bytes())["predicates"]


def check_type(statement: dict[str, Any], predicate: str) -> None:
    """Check a statement's types and fields; raises PassportError, FL6001, FL6002 or FL6003."""
    if set(statement) != {"_type", "subject", "predicateType", "predicate"}:
        raise PassportError(codes.NOT_A_PASSPORT, "the statement has other fields than an in-toto statement")
    for key, wanted in (("_type", STATEMENT), ("predicateType", predicate)):
        if statement[key] != wanted:
            raise PassportError(codes.OTHER_TYPE, f"{key} is {statement[key]!r:.80}, not {wanted}")
    for part in ("subject", "predicate"):
        if found := problem(statement[part], SCHEMAS[predicate][part], part):
            raise PassportError(codes.OTHER_SCHEMA, found)


def subjects(statement: dict[str, Any]) -> dict[str, str]:
    """Return name → SHA-256 of the subjects; FL6011 where two have one name."""
    found = {one["name"]: one["digest"]["sha256"] for one in statement["subject"]}
    if len(found) != len(statement["subject"]):
        raise PassportError(codes.CONTRADICTION, "two subjects have one name")
    return found


def check_contents(statement: dict[str, Any]) -> None:
    """Check that what a passport says fits together; raises PassportError, FL6010 or FL6011."""
    predicate, state = statement["predicate"], subjects(statement).get(STATE)
    steps, final = predicate["lineage"]["steps"], predicate["final"]
    check_lineage(predicate["lineage"], state)
    last = steps[-1]
    cohort, survivors = predicate["cohort"], predicate["survivors"]
    holds = {
        "the last step is another round than the final one": (last["round"], last["attempt"])
        == (final["round"], final["attempt"]),
        "the cohort is not that of the last step": len(set(cohort)) == len(cohort) == last["cohort"],
        "the survivors are not those of the last step": len(set(survivors)) == len(survivors) == last["survivors"],
        "a survivor is not in the cohort": set(survivors) <= set(cohort),
        "the examples are not those of the last step": predicate["examples"] == last["examples"],
    }
    for text, true in holds.items():
        if not true:
            raise PassportError(codes.CONTRADICTION, text)


def check_lineage(lineage: dict[str, Any], state: str | None) -> None:
    """Check that the steps lead from the initial state to the final one, and are those of the root; FL6010."""
    before = lineage["initial_state"]
    for at, step in enumerate(lineage["steps"], 1):
        if step["base_state"] != before:
            raise PassportError(codes.LINEAGE_BROKEN, "it does not begin where the one before ends", where=f"step {at}")
        before = step["state"]
    if before != state:
        raise PassportError(codes.LINEAGE_BROKEN, "the last step does not end with the state")
    if tree_hash([canonical(step) for step in lineage["steps"]]).hex() != lineage["root"]:
        raise PassportError(codes.LINEAGE_BROKEN, "the root is not that of the steps")


def tree_hash(leaves: list[bytes]) -> bytes:
    """Return the Merkle tree hash of RFC 6962, section 2.1, of at least one leaf."""
    if len(leaves) == 1:
        return sha256(b"\0" + leaves[0]).digest()
    half = 1 << (len(leaves) - 1).bit_length() - 1
    return sha256(b"\1" + tree_hash(leaves[:half]) + tree_hash(leaves[half:])).digest()


def check_model(statement: dict[str, Any], folder: Path) -> list[str]:
    """Check a model folder's files; return the names of those that the passport says nothing of.

    Raises:
        PassportError: FL6014, a file is missing or another one.
    """
    named = {name: digest for name, digest in subjects(statement).items() if name != STATE}
    for name, digest in named.items():
        path = folder / name
        if not path.is_file() or not path.resolve().is_relative_to(folder.resolve()):
            raise PassportError(codes.FILE_DIFFERS, "the file is missing", where=str(path))
        if digest_of(path) != digest:
            raise PassportError(codes.FILE_DIFFERS, "the file is another one", where=str(path))
    there = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return [name for path in there if (name := path.relative_to(folder).as_posix()) not in named]


def digest_of(path: Path) -> str:
    """Return the SHA-256 of a file, hex."""
    digest = sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
