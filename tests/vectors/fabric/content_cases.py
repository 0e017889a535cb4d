"""Changes of a channel's configuration that those make who may: what a configuration may say."""

from collections.abc import Callable, Iterator
from typing import Any

import base
from fabric_protos.common import configuration_pb2
from fabric_protos.orderer import configuration_pb2 as orderer_pb2
from fabric_protos.peer import configuration_pb2 as peer_pb2
from people import Authority, Msp, number_of, pem
from policy_cases import CERTIFICATES, MSPS, ROOTS, Policy, implicit, policy_of
from updating import BOSSES, Case, Edit, Group, anchor, application_policy, joined, made, with_msp


def cases() -> Iterator[Case]:
    """Yield all of them."""
    yield from _members()
    yield from _own_definitions()
    yield from _policies()
    yield from _values()
    yield from _ordering()


def _members() -> Iterator[Case]:
    root = Authority("root of D")
    for name, msp in {
        "without roots": Msp("D", []),
        "whose root has no key identifier": Msp("D", [Authority("root of D", identifier=False).pem]),
        "whose root is a person's certificate": Msp("D", [pem(CERTIFICATES["A.user"])]),
        "whose intermediate is of another root": Msp("D", [root.pem], [Authority("m", ROOTS["A"]).pem]),
        "without an MSP id": Msp("", [root.pem]),
        "under another's MSP id": Msp("A", [root.pem]),
        "under the orderer's MSP id": Msp("K", [root.pem]),
        "without roles": Msp("D", [root.pem], roles=None),
        "with a list that another key signed": Msp("D", [root.pem], lists=[root.list([1], signed_by="somebody")]),
        "with a list that is none": Msp("D", [root.pem], lists=[b"x"]),
        "with another's root": Msp("D", [ROOTS["A"].pem]),
    }.items():
        yield made(f"members: one {name} joins", joined(msp), *BOSSES)
    yield made("members: another's definition under a second name", joined(MSPS["A"]), *BOSSES)
    yield made("members: no organisation is left", lambda group: group.groups["Application"].groups.clear(), *BOSSES)


def _own_definitions() -> Iterator[Case]:
    """Yield what an organisation's own admin writes into its definition."""
    root, own_list = Authority("root of D"), ROOTS["C"].list([number_of("root of C")])
    edits: dict[str, Callable[[Any], object]] = {
        "takes another MSP id": lambda msp: setattr(msp, "name", "E"),
        "takes another's MSP id": lambda msp: setattr(msp, "name", "A"),
        "changes its root": lambda msp: msp.root_certs.append(root.pem),
        "loses its root": lambda msp: msp.ClearField("root_certs"),
        "turns its roles off": lambda msp: msp.ClearField("fabric_node_ous"),
        "revokes its own root": lambda msp: msp.revocation_list.append(own_list),
    }
    for name, edit in edits.items():
        yield made(f"members: an organisation {name}", with_msp("C", edit), "C.boss")

    def below(group: Group) -> None:
        group.groups["Application"].groups["C"].groups["unit"].mod_policy = "Admins"

    yield made("members: a group below an organisation", below, "C.boss")


def _policies() -> Iterator[Case]:
    yield made("policies: one that no group has", application_policy("New", implicit(2, "Nothing")), *BOSSES)
    yield made(
        "policies: one that cannot be read",
        application_policy("New", Policy(type=Policy.SIGNATURE, value=b"\xff")),
        *BOSSES,
    )
    yield made("policies: one of an unknown kind", application_policy("New", Policy(type=Policy.MSP)), *BOSSES)
    yield made("policies: one without content", application_policy("New", Policy()), *BOSSES)
    yield made("policies: one whose principal is not listed", application_policy("New", policy_of((1, 3))), *BOSSES)
    for mod_policy in (
        "",
        "Nobody",
        "/Channel/Application/Admins",
        "/Other/Admins",
        "A/Admins",
        "with space",
        "a/",
        "/",
    ):
        edit = application_policy("New", policy_of("A.admin"), mod_policy)
        yield made(f"policies: guarded by {mod_policy!r}", edit, *BOSSES)
    yield made("policies: Admins go", lambda root: root.groups["Application"].policies.pop("Admins"), *BOSSES)
    yield made("policies: Admins become nobody", application_policy("Admins", policy_of((1,))), *BOSSES)

    def unguarded(root: Group) -> None:
        root.groups["Application"].policies["Writers"].mod_policy = ""

    yield made("policies: one loses its guard", unguarded, *BOSSES)


def _values() -> Iterator[Case]:
    def put(name: str, message: Any, part: str | None = "Application") -> Edit:
        return lambda root: base.put(root.groups[part] if part else root, name, message)

    acls = peer_pb2.ACLs(acls={"peer/Propose": peer_pb2.APIResource(policy_ref="/Channel/Application/Nothing")})
    yield made("values: an access list that names no policy", put("ACLs", acls), *BOSSES)
    empty = peer_pb2.ACLs(acls={"peer/Propose": peer_pb2.APIResource()})
    yield made("values: an access list with an empty name", put("ACLs", empty), *BOSSES)
    yield made("values: one that nobody knows", put("Unknown", acls), *BOSSES)
    yield made("values: no access list", lambda root: root.groups["Application"].values.pop("ACLs"), *BOSSES)
    yield made("values: no capabilities", lambda root: root.groups["Application"].values.pop("Capabilities"), *BOSSES)
    for name in ("V2_0", "V1_4_2", "V9_9", "V3_0", "x"):
        yield made(f"values: the application can do {name}", put("Capabilities", base.capability(name)), *BOSSES)
    for name in ("V2_0", "V9_9"):
        yield made(f"values: the channel can do {name}", put("Capabilities", base.capability(name), None), "K.boss")
    hashing = configuration_pb2.HashingAlgorithm(name="SHA3_256")
    yield made("values: another hash", put("HashingAlgorithm", hashing, None), "K.boss")
    hashing = configuration_pb2.HashingAlgorithm(name="MD5")
    yield made("values: a hash that nobody knows", put("HashingAlgorithm", hashing, None), "K.boss")
    width = configuration_pb2.BlockDataHashingStructure(width=2)
    yield made("values: another width of the data hash", put("BlockDataHashingStructure", width, None), "K.boss")
    for host in ("", "peer new"):
        yield made(f"values: a peer answers at {host!r}", anchor(host), "C.boss")

    def torn(root: Group) -> None:
        root.groups["Application"].groups["C"].values["MSP"].value = b"\xff"

    yield made("values: an MSP that cannot be read", torn, "C.boss")
    yield made("values: no MSP", lambda root: root.groups["Application"].groups["C"].values.pop("MSP"), "C.boss")
    yield made(
        "values: a group that nobody knows",
        lambda root: setattr(root.groups["Other"], "mod_policy", "Admins"),
        "K.boss",
    )
    yield made("values: no group Orderer", lambda root: root.groups.pop("Orderer"), "K.boss")
    yield made("values: no group Application", lambda root: root.groups.pop("Application"), "K.boss")


def _ordering() -> Iterator[Case]:
    def put(name: str, message: Any) -> Edit:
        return lambda root: base.put(root.groups["Orderer"], name, message)

    for changes in (
        {"max_message_count": 20},
        {"max_message_count": 0},
        {"absolute_max_bytes": 0},
        {"preferred_max_bytes": 0},
        {"preferred_max_bytes": 20 << 20},
    ):
        size = orderer_pb2.BatchSize(**{**base.SIZE, **changes})
        yield made(f"ordering: blocks of {changes}", put("BatchSize", size), "K.boss")
    yield made(
        "ordering: a member's admins change the blocks",
        put("BatchSize", orderer_pb2.BatchSize(**{**base.SIZE, "max_message_count": 20})),
        *BOSSES,
    )
    for time in ("1s", "0s", "-1s", "soon", ""):
        yield made(
            f"ordering: a wait of {time!r}", put("BatchTimeout", orderer_pb2.BatchTimeout(timeout=time)), "K.boss"
        )
    consensus = orderer_pb2.ConsensusType.FromString(
        base.channel_group().groups["Orderer"].values["ConsensusType"].value
    )
    for name, changes in {
        "BFT": {"type": "BFT"},
        "maintenance": {"state": orderer_pb2.ConsensusType.STATE_MAINTENANCE},
    }.items():
        changed = orderer_pb2.ConsensusType(type=consensus.type, metadata=consensus.metadata, state=consensus.state)
        for field, value in changes.items():
            setattr(changed, field, value)
        yield made(f"ordering: {name}", put("ConsensusType", changed), "K.boss")
    yield made("ordering: no organisation is left", lambda root: root.groups["Orderer"].groups.clear(), "K.boss")
    yield made(
        "ordering: no policy of blocks", lambda root: root.groups["Orderer"].policies.pop("BlockValidation"), "K.boss"
    )
