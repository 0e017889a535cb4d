import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from network.checked import read_checked
from network.errors import NetworkError
from network.topology import DEFAULT_DEFINITION, dump_consortium, load_consortium

MEMBERS = ("hospital-a", "hospital-b", "hospital-c")


def definition(**changes):
    organisations = [{"name": "orderer", "role": "orderer", "orderers": 1}]
    organisations += [{"name": name, "role": "member"} for name in MEMBERS]
    return {"organisations": organisations, **changes}


@pytest.fixture
def load(tmp_path: Path):
    def load_text(value):
        path = tmp_path / "consortium.yaml"
        path.write_text(value if isinstance(value, str) else yaml.safe_dump(value, sort_keys=False))
        return load_consortium(path)

    return load_text


def test_the_default_has_four_hospitals_a_regulator_and_four_orderers():
    consortium = load_consortium()
    assert [m.name for m in consortium.members] == ["hospital-a", "hospital-b", "hospital-c", "hospital-d"]
    assert [r.msp_id for r in consortium.regulators] == ["RegulatorMSP"]
    assert [o.name for _, o in consortium.orderers] == [
        "orderer1",
        "orderer2",
        "orderer3",
        "orderer4",
    ]
    assert (consortium.threshold, consortium.majority) == (3, 3)


def test_a_normalised_definition_reads_as_the_same_consortium(tmp_path):
    consortium = load_consortium()
    (tmp_path / "again.yaml").write_text(dump_consortium(consortium))
    assert load_consortium(tmp_path / "again.yaml") == consortium


def test_every_port_is_used_once_and_counted_from_the_base_port(load):
    ports = [port for _, _, port in load(definition(base_port=30000)).ports()]
    assert len(ports) == len(set(ports))
    assert all(30000 <= port < 30100 for port in ports)


def four_that_order(**changes):
    organisations = [{"name": name, "role": "member", "orderers": 1} for name in MEMBERS]
    organisations.append({"name": "bank", "role": "orderer", "orderers": 1})
    return {"organisations": organisations, **changes}


def test_members_may_order_and_every_orderer_has_a_name_and_ports_of_its_own(load, tmp_path):
    consortium = load(four_that_order())
    assert [(o.name, orderer.name) for o, orderer in consortium.orderers] == [
        ("hospital-a", "orderer1.hospital-a"),
        ("hospital-b", "orderer1.hospital-b"),
        ("hospital-c", "orderer1.hospital-c"),
        ("bank", "orderer1.bank"),
    ]
    assert [m.peer.name for m in consortium.members] == [f"peer0.{name}" for name in MEMBERS]
    ports = [port for _, _, port in consortium.ports()]
    assert len(ports) == len(set(ports))
    (tmp_path / "again.yaml").write_text(dump_consortium(consortium))
    assert load_consortium(tmp_path / "again.yaml") == consortium
    assert [o.name for _, o in read_checked(tmp_path / "again.yaml").orderers] == [
        o.name for _, o in consortium.orderers
    ]


def test_two_orderers_of_one_name_are_refused(load):
    value = four_that_order()
    value["organisations"][3]["orderers"] = [{"name": "orderer1.hospital-a"}]
    with pytest.raises(NetworkError, match=r"two orderers are called orderer1\.hospital-a"):
        load(value)


@pytest.mark.parametrize(
    ("orderers", "tolerated", "warned"),
    [((1, 1, 1, 1), 1, []), ((2, 1, 1, 0), 1, ["hospital-a"]), ((0, 0, 0, 4), 1, ["bank"]), ((2, 2, 2, 1), 2, [])],
)
def test_a_definition_warns_of_an_organisation_that_holds_more_orderers_than_bft_withstands(
    load, orderers, tolerated, warned
):
    value = four_that_order()
    for organisation, number in zip(value["organisations"], orderers, strict=True):
        organisation["orderers"] = number
    if not orderers[-1]:
        value["organisations"].pop()
    consortium = load(value)
    assert consortium.tolerated == tolerated
    assert [warning.split()[0] for warning in consortium.warnings()] == warned
    assert all(f"BFT withstands {tolerated}" in warning for warning in consortium.warnings())
    raft = load({**value, "ordering": "raft"})
    assert (raft.tolerated, raft.warnings()) == ((sum(orderers) - 1) // 2, [])


def test_an_organisation_at_the_end_moves_no_port_of_the_others(load):
    before = load(definition())
    value = definition()
    value["organisations"].append({"name": "hospital-z", "role": "member"})
    assert load(value).organisations[:-1] == before.organisations


def test_a_port_of_ones_own_overrides_the_allotted_one(load):
    value = definition()
    value["organisations"][1]["peers"] = [{"port": 41000}]
    peer = load(value).organisation("hospital-a").peer
    assert (peer.port, peer.chaincode_port) == (41000, 17012)


@pytest.mark.parametrize(
    ("change", "line", "message"),
    [
        (lambda v: v["organisations"][2].update(name="hospital-a"), "- name: hospital-a", "hospital-a is used twice"),
        (lambda v: v["organisations"][2].update(msp_id="HospitalAMSP"), "  msp_id: Hosp", "HospitalAMSP is used twice"),
        (lambda v: v["organisations"][2].update(role="boss"), "  role: boss", "organisations.2.role"),
        (lambda v: v["organisations"][2].update(peers=[{"port": 17012}]), "  - port: 17012", "also used by"),
        (lambda v: v["organisations"].pop(), "organisations:", "at least 3 members"),
        (lambda v: v["organisations"].pop(0), "organisations:", "no organisation has orderers"),
        (lambda v: v.update(endorsement=1), "endorsement: 1", "one organisation alone"),
        (lambda v: v.update(endorsement=4), "endorsement: 4", "4 endorsements from 3 members"),
        (lambda v: v.update(endorsement="some"), "endorsement: some", "endorsement"),
        (lambda v: v.update(time_window_s=900), "time_window_s: 900", "time_window_s"),
        (lambda v: v.update(colour="red"), "colour: red", "colour"),
        (lambda v: v["organisations"][0].update(blob_port=40000), "  blob_port: 40000", "only members run a blob"),
        (lambda v: v["organisations"][0].update(inbound=False), "  inbound: false", "only members have a blob service"),
        (
            lambda v: [o.update(inbound=False) for o in v["organisations"][1:3]],
            "organisations:",
            "2 members must hold a blob for its commitment, others can reach 1",
        ),
        (lambda v: v["organisations"][1].update(peers=[{}, {"port": 17011}]), "  - port: 17011", "also used by"),
        (lambda v: v["organisations"][1].update(peers=[]), "- name: hospital-a", "hospital-a has no peer"),
    ],
)
def test_a_wrong_definition_is_refused_with_its_place(load, tmp_path, change, line, message):
    value = definition()
    change(value)
    with pytest.raises(NetworkError) as caught:
        load(value)
    path, _, number = caught.value.where.rpartition(":")
    lines = (tmp_path / "consortium.yaml").read_text().splitlines()
    assert (caught.value.code, path) == ("FL1002", str(tmp_path / "consortium.yaml"))
    assert message in caught.value.message
    assert lines[int(number) - 1].startswith(line)


@pytest.mark.parametrize(
    ("text", "place"),
    [("organisations: [", ":1"), ("name: a\nname: b\n", ":2"), ("a: {b: 1, b: 2}", ":1"), ("- !!python/none x", ":1")],
)
def test_what_is_not_yaml_is_refused_with_its_line(load, text, place):
    with pytest.raises(NetworkError) as caught:
        load(text)
    assert caught.value.code == "FL1001"
    assert caught.value.where.endswith(place)


LEVELS = zip("abcdefgh", "bcdefghi", strict=True)
BOMB = "a: &a [x, x]\n" + "".join(f"{b}: &{b} [{', '.join(['*' + a] * 9)}]\n" for a, b in LEVELS)


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    "text", ["a: \0", "a: 2001-99-99", "? [a]\n: b", "a: &a [*a]", BOMB, "[" * 100_000, "a: 0b", "a: 1:2:x:\n"]
)
def test_yaml_that_cannot_be_built_is_refused_too(load, text):
    with pytest.raises(NetworkError) as caught:
        load(text)
    assert caught.value.code in {"FL1001", "FL1002"}


@pytest.mark.parametrize("text", ["", "just text", "[]", "organisations: 3", "organisations: [1, null]"])
def test_a_document_of_another_shape_is_refused(load, text):
    with pytest.raises(NetworkError) as caught:
        load(text)
    assert caught.value.code == "FL1002"


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(NetworkError) as caught:
        load_consortium(tmp_path / "none.yaml")
    assert (caught.value.code, caught.value.where) == ("FL1001", str(tmp_path / "none.yaml"))


def test_the_default_definition_lies_beside_the_code():
    assert DEFAULT_DEFINITION.name == "consortium.yaml"


def test_a_checked_definition_reads_the_same_without_the_classes_that_check(tmp_path):
    checked = load_consortium()
    (tmp_path / "consortium.yaml").write_text(dump_consortium(checked))
    plain = read_checked(tmp_path / "consortium.yaml")

    def shown(consortium):
        nodes = [
            (n.name, n.address, *(value for field, value in vars(n).items() if "port" in field))
            for o in consortium.organisations
            for n in (*o.peers, *o.orderers)
        ]
        organisations = [(o.name, o.msp_id, o.role, o.host, o.blob_port) for o in consortium.organisations]
        names = [[o.name for o in group] for group in (consortium.members, consortium.regulators)]
        rules = (consortium.channel, consortium.threshold, consortium.batch_interval_ms, consortium.time_window_s)
        own = (consortium.chaincode.name, consortium.chaincode.version, consortium.federation.parameters)
        return nodes, organisations, names, rules, own, consortium.organisation("hospital-b").peer.address

    assert shown(checked) == shown(plain)


def test_a_devnet_process_does_not_load_what_checks_definitions():
    heavy = "[name for name in ('pydantic', 'rich', 'typer', 'network.topology') if name in sys.modules]"
    program = f"import sys, network.devnet.__main__; print({heavy})"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=120)
    assert "[]" == done.stdout.strip()
