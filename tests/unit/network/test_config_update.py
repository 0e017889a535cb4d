import pytest
from fabric_protos.common import configtx_pb2
from fabric_protos.msp import msp_config_pb2
from hypothesis import given
from hypothesis import strategies as st

from network.config_update import compute_update, revocation_lists, with_revocation_list


def msp_value(revocations=()):
    inner = msp_config_pb2.FabricMSPConfig(name="HospitalAMSP", revocation_list=revocations)
    return msp_config_pb2.MSPConfig(config=inner.SerializeToString()).SerializeToString()


def config():
    made = configtx_pb2.Config(sequence=4)
    root = made.channel_group
    root.version = 2
    application = root.groups["Application"]
    application.version = 3
    for name in ("HospitalAMSP", "HospitalBMSP"):
        organisation = application.groups[name]
        organisation.version = 5
        organisation.values["MSP"].value = msp_value()
        organisation.values["MSP"].version = 7
        organisation.values["MSP"].mod_policy = "Admins"
        organisation.policies["Readers"].version = 1
    root.groups["Orderer"].groups["OrdererMSP"].values["MSP"].value = msp_value([b"old"])
    return made


def test_a_revocation_changes_the_msp_of_one_organisation_and_nothing_else():
    before = config()
    after = with_revocation_list(before, "HospitalAMSP", b"list")
    update = compute_update("fedchannel", before.channel_group, after.channel_group)
    assert revocation_lists(after, "HospitalAMSP") == [b"list"]
    assert revocation_lists(after, "HospitalBMSP") == []
    assert update.channel_id == "fedchannel"
    assert set(update.write_set.groups) == {"Application"}
    assert set(update.write_set.groups["Application"].groups) == {"HospitalAMSP"}
    written = update.write_set.groups["Application"].groups["HospitalAMSP"]
    assert (update.write_set.version, update.write_set.groups["Application"].version, written.version) == (2, 3, 5)
    assert set(written.values) == {"MSP"}
    assert (written.values["MSP"].version, written.values["MSP"].mod_policy) == (8, "Admins")
    assert list(written.policies) == []


def test_what_was_read_is_named_by_version_alone():
    before = config()
    update = compute_update(
        "c", before.channel_group, with_revocation_list(before, "HospitalAMSP", b"list").channel_group
    )
    read = update.read_set.groups["Application"].groups["HospitalAMSP"]
    assert (read.version, list(read.values), list(read.policies)) == (5, [], [])


def test_a_revocation_reaches_both_parts_of_an_organisation_that_orders_too():
    before = config()
    before.channel_group.groups["Orderer"].groups["HospitalAMSP"].values["MSP"].value = msp_value()
    after = with_revocation_list(before, "HospitalAMSP", b"list")
    parts = [after.channel_group.groups[part].groups["HospitalAMSP"] for part in ("Application", "Orderer")]
    assert [part.values["MSP"].value for part in parts] == [msp_value([b"list"])] * 2


def test_the_orderers_organisation_may_revoke_too():
    after = with_revocation_list(config(), "OrdererMSP", b"new")
    assert revocation_lists(after, "OrdererMSP") == [b"new"]


def test_a_new_organisation_raises_the_version_of_its_group_and_keeps_the_others():
    before = config()
    after = configtx_pb2.Config()
    after.CopyFrom(before)
    after.channel_group.groups["Application"].groups["HospitalCMSP"].values["MSP"].value = msp_value()
    update = compute_update("c", before.channel_group, after.channel_group)
    read, written = update.read_set.groups["Application"], update.write_set.groups["Application"]
    assert (read.version, written.version) == (3, 4)
    assert {name: group.version for name, group in read.groups.items()} == {"HospitalAMSP": 5, "HospitalBMSP": 5}
    assert {name: group.version for name, group in written.groups.items()} == {
        "HospitalAMSP": 5,
        "HospitalBMSP": 5,
        "HospitalCMSP": 0,
    }
    assert written.groups["HospitalCMSP"].values["MSP"].value == msp_value()
    assert list(written.groups["HospitalAMSP"].values) == []


def test_an_unknown_organisation_has_no_list():
    with pytest.raises(KeyError):
        with_revocation_list(config(), "StrangerMSP", b"list")


def test_no_change_is_no_update():
    with pytest.raises(ValueError, match="nothing changes"):
        compute_update("c", config().channel_group, config().channel_group)


@given(st.lists(st.sampled_from(["HospitalAMSP", "HospitalBMSP", "OrdererMSP"]), min_size=1, max_size=3, unique=True))
def test_an_update_writes_exactly_what_changed(changed):
    before = config()
    after = before
    for name in changed:
        after = with_revocation_list(after, name, b"list")
    update = compute_update("c", before.channel_group, after.channel_group)
    written = [name for part in update.write_set.groups.values() for name in part.groups]
    assert sorted(written) == sorted(changed)
