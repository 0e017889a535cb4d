"""Writes passports.json: passports, right and forged, that Go and Python must judge alike.

Run `python -m tests.vectors.passport_cases`. Keys are new in each run, so the file changes as a whole; it is
written again when the statement's fields change.
"""

import json
import tempfile
from pathlib import Path
from typing import Any, Final

from fedledger_passport import Trust
from fl_node.release.recognising import recognition
from tests.unit.passport.consortium import NOW, Consortium, milliseconds
from tests.unit.passport.test_forged import CORPUS

PATH: Final = Path(__file__).with_name("passports.json")
UNWRITTEN: Final = {"another encoding", "nested too deep"}
"""Cases whose bytes are no JSON text of a file like this one."""
SIGNATURES: Final = {f"FL{number}" for number in (6005, 6006, 6007, 6008, 6009)}
"""What the contract says in one code."""


def of_the_contract(code: str) -> str:
    """Return the contract's code for one of the package's."""
    return {"FL6004": "FL0806", "FL6013": "FL0809"}.get(code, "FL0808" if code in SIGNATURES else "FL0807")


def shared_of(envelope: dict[str, Any]) -> dict[str, str]:
    """Return marker → text of what most cases have in common, as it stands in their JSON."""
    texts = [envelope["payload"], *(one["cert"] for one in envelope["signatures"])]
    return {f"@{at}@": json.dumps(text)[1:-1] for at, text in enumerate(texts)}


def folded(raw: bytes, shared: dict[str, str]) -> str:
    """Return a case's text with markers."""
    text = raw.decode()
    for marker, common in shared.items():
        text = text.replace(common, marker)
    return text


def unfolded(text: str, shared: dict[str, str]) -> bytes:
    """Return a case's bytes."""
    for marker, common in shared.items():
        text = text.replace(marker, common)
    return text.encode()


def cases() -> dict[str, Any]:
    """Return everything that the file holds."""
    consortium = Consortium()
    consortium.members[3].revoked = [consortium.members[3].admin.certificate]
    people = [member.admin for member in consortium.members]
    right = consortium.signed()
    made = [("right", "", right), ("four, one of them revoked", "", consortium.signed(signers=people))]
    made += [(name, code, forge(consortium)) for name, (code, forge) in CORPUS.items() if name not in UNWRITTEN]
    with tempfile.TemporaryDirectory() as folder:
        trust = recognition(Trust.load(consortium.write(Path(folder) / "trust")), "hospitals")
    taken = consortium.withdrawal(right)
    shared = shared_of(json.loads(right))
    return {
        "origin": "python -m tests.vectors.passport_cases; checked by test_shared.py and go test ./consortia",
        "now_ms": milliseconds(NOW),
        "trust": trust,
        "shared": shared,
        "passports": [
            {"name": name, "code": code, "contract": of_the_contract(code) if code else "", "text": folded(raw, shared)}
            for name, code, raw in made
        ],
        "withdrawals": {
            "of the right one": folded(consortium.signed(taken), shared),
            "of two": folded(consortium.signed(taken, people[:2]), shared),
        },
    }


if __name__ == "__main__":
    PATH.write_text(json.dumps(cases(), indent=1) + "\n", encoding="utf-8")
