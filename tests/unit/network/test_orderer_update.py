import pytest
from fabric_protos.common import configtx_pb2, configuration_pb2, policies_pb2

from network import runfolder
from network.config_update import compute_update
from network.devnet.consenters import gives_certificates
from network.devnet.genesis import channel_group
from network.devnet.ordering import ordering_organisation
from network.folders import public_parts
from network.orderer_update import Consenter, orderer_addresses, with_certificates, with_orderer, without_orderer
from network.topology import Consortium

MEMBERS = ("bank-a", "bank-b", "bank-c")
CONSORTIUM = Consortium.model_validate(
    {"organisations": [{"name": name, "role": "member", "orderers": 1} for name in MEMBERS]}
)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("consortium")
    runfolder.prepare(folder, CONSORTIUM)
    return folder


def config_of(run, ordering):
    group = channel_group(CONSORTIUM.model_copy(update={"ordering": ordering}), run)
    return configtx_pb2.Config(sequence=3, channel_group=group)


def consenter(run, number):
    organisation, orderer = CONSORTIUM.orderers[number]
    known = public_parts(run, organisation.name)
    certificates = (known.orderer_certificate(orderer.name), known.orderer_tls_certificate(orderer.name))
    return Consenter(organisation.msp_id, orderer.host, orderer.port, *(path.read_bytes() for path in certificates))


@pytest.fixture(params=["bft", "raft"])
def config(run, request):
    """Devnet's channel with its first orderer, of bank-a; bank-b and bank-c have none in it."""
    made = config_of(run, request.param)
    for msp_id in ("BankBMSP", "BankCMSP"):
        del made.channel_group.groups["Orderer"].groups[msp_id]
    return made


def widened(config, run, *numbers):
    for number in numbers:
        group = ordering_organisation(
            CONSORTIUM.orderers[number][0], public_parts(run, CONSORTIUM.orderers[number][0].name).msp
        )
        config = with_orderer(config, consenter(run, number), group)
    return config


def test_an_orderer_is_added_with_its_organisation_and_where_it_answers(config, run):
    changed = widened(config, run, 1, 2)
    expected = [orderer.address for _, orderer in CONSORTIUM.orderers]
    assert orderer_addresses(changed) == expected
    groups = changed.channel_group.groups["Orderer"].groups
    assert set(groups) == {"BankAMSP", "BankBMSP", "BankCMSP"}
    endpoints = groups["BankBMSP"].values["Endpoints"]
    assert configuration_pb2.OrdererAddresses.FromString(endpoints.value).addresses == [expected[1]]
    assert endpoints.mod_policy == "Admins"
    assert len(orderer_addresses(config)) == 1


def test_what_is_removed_is_gone_with_its_organisation(config, run):
    before = widened(config, run, 1, 2)
    changed = without_orderer(before, CONSORTIUM.orderers[0][1].address)
    assert orderer_addresses(changed) == [orderer.address for _, orderer in CONSORTIUM.orderers[1:]]
    assert set(changed.channel_group.groups["Orderer"].groups) == {"BankBMSP", "BankCMSP"}


def test_under_bft_a_quorum_of_exactly_the_consenters_signs_blocks(run):
    config = config_of(run, "bft")
    for numbers, needed in (((1,), 2), ((1, 2), 2)):
        ordering = widened(config, run, *numbers).channel_group.groups["Orderer"]
        policy = ordering.policies["BlockValidation"].policy
        envelope = policies_pb2.SignaturePolicyEnvelope.FromString(policy.value)
        assert (envelope.rule.n_out_of.n, len(envelope.identities)) == (needed, len(numbers) + 1)
        mapping = configuration_pb2.Orderers.FromString(ordering.values["Orderers"].value).consenter_mapping
        assert [c.id for c in mapping] == list(range(1, len(numbers) + 2))
        assert all(c.identity in i.principal for c, i in zip(mapping, envelope.identities, strict=True))


def test_a_new_orderer_has_a_number_above_those_that_are_there(run):
    config = widened(config_of(run, "bft"), run, 1)
    config = without_orderer(config, CONSORTIUM.orderers[0][1].address)
    ordering = widened(config, run, 2).channel_group.groups["Orderer"]
    mapping = configuration_pb2.Orderers.FromString(ordering.values["Orderers"].value).consenter_mapping
    assert [c.id for c in mapping] == [2, 3]


def test_the_application_is_left_alone(config, run):
    update = compute_update("c", config.channel_group, widened(config, run, 1).channel_group)
    assert set(update.write_set.groups) == {"Orderer"}


def test_what_cannot_be_is_refused(config, run):
    own = CONSORTIUM.orderers[0][1].address
    with pytest.raises(ValueError, match="already"):
        with_orderer(config, consenter(run, 0))
    with pytest.raises(ValueError, match="its MSP is needed"):
        with_orderer(config, consenter(run, 1))
    with pytest.raises(ValueError, match="there is no orderer at nowhere:1"):
        without_orderer(config, "nowhere:1")
    with pytest.raises(ValueError, match="one orderer at least"):
        without_orderer(config, own)


def test_devnet_takes_other_certificates_of_its_orderer_and_no_other_orderer(config, run):
    ordering = config.channel_group.groups["Orderer"]
    own, other = CONSORTIUM.orderers[0][1].address, consenter(run, 1)
    changed = with_certificates(config, own, other.certificate, other.tls_certificate)
    assert changed != config
    assert gives_certificates(ordering, changed.channel_group.groups["Orderer"])
    assert not gives_certificates(ordering, widened(config, run, 1).channel_group.groups["Orderer"])
    changed.channel_group.groups["Orderer"].policies["BlockValidation"].policy.value = b""
    assert not gives_certificates(ordering, changed.channel_group.groups["Orderer"])
