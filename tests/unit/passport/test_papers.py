"""What goes with a model: the papers say what the passport says, the folder's signature holds."""

import base64
import json
from hashlib import sha256

import pytest

from fedledger_passport.envelope import Envelope, Signature
from fl_node.plan.container import read_plan
from fl_node.release.model_signature import model_signature
from fl_node.release.papers import papers
from gateway import Signer
from gateway.signatures import digest_signer
from tests.faults.synthetic import plan_of
from tests.unit.passport.consortium import MODEL, Consortium, Member, digest

PLAN = read_plan(plan_of("tumour"))


@pytest.fixture
def made() -> dict[str, bytes]:
    envelope = Envelope.read(Consortium().signed())
    return papers(envelope.digest, envelope.statement, PLAN)


def test_the_papers_follow_from_passport_and_plan_alone(made: dict[str, bytes]):
    envelope = Envelope.read(Consortium().signed())
    again = papers(envelope.digest, envelope.statement, PLAN)
    assert again.keys() == made.keys() == {"README.md", "card.html", "bom.cdx.json", "croissant.json"}
    assert {name for name in made if made[name] == again[name]} >= {"croissant.json"}


def test_the_bill_of_materials_names_every_file_with_its_digest(made: dict[str, bytes]):
    bom = json.loads(made["bom.cdx.json"])
    found = {part["name"]: part["hashes"][0]["content"] for part in bom["components"] if part["type"] == "file"}
    assert {name: found[name] for name in MODEL} == {name: sha256(raw).hexdigest() for name, raw in MODEL.items()}
    references = [part["bom-ref"] for part in bom["components"]]
    assert bom["dependencies"] == [{"ref": "model", "dependsOn": references}]
    assert len(set(references)) == len(references)


def test_the_description_of_rows_holds_columns_and_nothing_else(made: dict[str, bytes]):
    (rows,) = json.loads(made["croissant.json"])["recordSet"]
    assert [(one["name"], one["dataType"], one["description"]) for one in rows["field"]] == [
        ("number", "sc:Integer", "from 0, to 9")
    ]
    assert all("contentUrl" not in one for one in json.loads(made["croissant.json"])["distribution"])


def test_the_card_says_what_is_promised_and_what_is_not(made: dict[str, bytes]):
    card = made["README.md"].decode()
    for text in (
        "hospital-a | 0.7",
        "- who trained on what",
        f"sources {digest('source')}",
        "ε 3, δ 0.00001 in 10 rounds",
        "eval/accuracy | 0.93",
        "round 2: dropout hospital-d",
        "- that data is good",
    ):
        assert text in card


def test_the_folders_signature_is_over_every_file():
    member = Member("HospitalAMSP")
    person, chain = member.admin, [member.admin.certificate, member.authority.certificate]
    bundle = json.loads(model_signature("model", MODEL, Signer(sign=digest_signer(person.key)), chain))
    envelope = bundle["dsseEnvelope"]
    payload = base64.b64decode(envelope["payload"])
    Signature(base64.b64decode(envelope["signatures"][0]["sig"]), person.certificate).check(payload, "model.sig")
    predicate = json.loads(payload)["predicate"]
    assert {one["name"]: one["digest"] for one in predicate["resources"]} == {
        name: sha256(raw).hexdigest() for name, raw in MODEL.items()
    }
    assert len(bundle["verificationMaterial"]["x509CertificateChain"]["certificates"]) == 2


def test_the_page_says_the_same_and_escapes_what_others_wrote():
    consortium = Consortium()
    parent = {
        "release": "old",
        "channel": "<b>abroad",
        "signed_by": ["XMSP"],
        "passport": digest("x"),
        "withdrawn_ms": 5,
    }
    statement = consortium.altered(lambda s: s["predicate"].update(metrics={"<script>": "1"}, parents=[parent]))
    found = papers(digest("statement"), statement, PLAN)
    html, text = found["card.html"].decode(), found["README.md"].decode()
    assert "<script>" not in html
    assert "&lt;script&gt;" in html
    assert "&lt;b&gt;abroad, signed by XMSP; withdrawn since" in html
    for heading in ("Files", "Privacy spent", "Where it began", "What nobody proved", "What no audit makes again"):
        assert f"<h2>{heading}</h2>" in html
        assert f"## {heading}" in text
    assert "http" not in html.replace(digest("x"), "")
