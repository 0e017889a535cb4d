"""How each kind of case is put to a running orderer, as changes of a channel's configuration."""

from collections.abc import Iterator, Sequence
from typing import Any, TypeAlias

import base
import identity_cases
import policy_cases
import signature_cases
import update_cases
from changes import difference
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from fabric_protos.common import configtx_pb2
from fabric_protos.msp import identities_pb2, msp_config_pb2
from ordering import Answer, Ordering
from people import DETERMINISTIC, ed25519_key_of, key_of, low

from network.config_update import compute_update

KEEPER = (base.BOSS, base.makes("K.boss"))
GUARD = "/Channel/Admins"
ROLES = ("MEMBER", "ADMIN", "CLIENT", "PEER", "ORDERER")
NAMES = ("u", "user", "below", "boss", "root", "middle", "signer")
"""Whose keys the certificates of the identity cases carry."""

Measured = dict[str, Any]
Group: TypeAlias = configtx_pb2.ConfigGroup


def identities(running: Ordering) -> Iterator[tuple[str, Measured | None]]:
    """Yield the answers to the identity cases: does the organisation stand, and which roles has who signs."""
    running.begin(_one_organisation(), "identities")
    for case in identity_cases.identity_cases():
        if not _set_msp(running, bytes.fromhex(case["msp"])).taken:
            yield case["name"], {"setup": False}
            continue
        raw = bytes.fromhex(case["identity"])
        make = _key_in(identities_pb2.SerializedIdentity.FromString(raw).id_bytes)
        if make is None:
            yield case["name"], None
            continue
        roles = [role for role in ROLES if _counts(running, role, [(raw, make)])]
        yield case["name"], {"setup": True, "valid": "MEMBER" in roles, "roles": roles}


def signatures(running: Ordering) -> Iterator[tuple[str, Measured | None]]:
    """Yield the answers to the signature cases: is the signer a member by this signature."""
    running.begin(_one_organisation(), "signatures")
    for form in signature_cases.forms():
        yield form.name, {"valid": _counts(running, "MEMBER", [(form.identity, form.make)])}


def policies(running: Ordering) -> Iterator[tuple[str, Measured | None]]:
    """Yield the answers to the policy cases: does the configuration stand, and may these change what it guards."""
    before = None
    for number, case in enumerate(policy_cases.cases()):
        if case.path != before:  # the guard of the probe is the probe's own
            running.begin(base.channel_group(_three_organisations(Group())), f"policies-{number}")
        before = case.path
        wanted = base.channel_group(_three_organisations(case.group.groups["Application"]))
        base.guard(wanted, "Probe", policy_cases.policy_of("K.admin"), case.path)
        answer = _become(running, wanted)
        if not answer.taken:
            askable = "mod_policy" not in answer.message and "sub-groups" not in answer.message
            yield case.name, {"compiles": False} if askable else None
            continue
        signed = [(each.identity, each.make) for each in case.signed]
        yield case.name, {"compiles": True, "holds": _may_change(running, (), "Probe", signed)}


def updates(running: Ordering) -> Iterator[tuple[str, Measured | None]]:
    """Yield the answers to the cases of changes, each sent as it stands to a channel of its own."""
    for case in update_cases.cases():
        running.begin(case.group, case.channel)
        answer = running.send_signed(case.envelope)
        changes = difference(case.group, running.config().channel_group) if answer.taken else []
        yield case.name, {"taken": answer.taken, "message": answer.message, "changes": changes}


def _one_organisation() -> Group:
    """Return a channel with the organisation of the identity cases, and a policy for each role in it."""
    application = Group(mod_policy=GUARD)
    base.put(application, "Capabilities", base.capability("V2_5"), GUARD)
    for name in ("Readers", "Writers", "Admins"):
        base.guard(application, name, policy_cases.policy_of("K.admin"), GUARD)
    for role in ROLES:
        base.guard(application, role, policy_cases.policy_of(f"{identity_cases.NAME}.{role.lower()}"), GUARD)
        base.guard(application, f"Probe-{role}", policy_cases.policy_of("K.admin"), f"/Channel/Application/{role}")
    group = application.groups["One"]
    group.mod_policy = GUARD
    base.put(group, "MSP", msp_config_pb2.MSPConfig(config=identity_cases.one().config), GUARD)
    return base.channel_group(application)


def _three_organisations(case: Group) -> Group:
    """Return a group Application with the policies of a case, that A, B and C are in as far as they are in the case."""
    application = Group(mod_policy=GUARD)
    application.MergeFrom(case)
    base.put(application, "Capabilities", base.capability("V2_5"), GUARD)
    for name in ("Readers", "Writers", "Admins"):
        base.guard(application, name, policy_cases.policy_of("K.admin"), GUARD)
    for name in case.groups:
        group = application.groups[name]
        base.put(group, "MSP", msp_config_pb2.MSPConfig(config=policy_cases.MSPS[name].config), GUARD)
    for group in (application, *application.groups.values()):
        group.mod_policy = GUARD
        for policy in group.policies.values():
            policy.mod_policy = GUARD
    return application


def _set_msp(running: Ordering, config: bytes) -> Answer:
    def edit(root: Group) -> None:
        value = msp_config_pb2.MSPConfig(config=config)
        base.put(root.groups["Application"].groups["One"], "MSP", value, GUARD)

    return change(running, edit, [KEEPER])


def _counts(running: Ordering, role: str, signers: Sequence[base.Signer]) -> bool:
    return _may_change(running, ("Application",), f"Probe-{role}", signers)


def _may_change(running: Ordering, path: Sequence[str], name: str, signers: Sequence[base.Signer]) -> bool:
    """Say whether these may write a policy anew, with the content that it has."""
    present = running.config().channel_group
    update = configtx_pb2.ConfigUpdate(channel_id=running.name)
    read, write = update.read_set, update.write_set
    read.version = write.version = present.version
    for step in path:
        present, read, write = present.groups[step], read.groups[step], write.groups[step]
        read.version = write.version = present.version
    write.policies[name].CopyFrom(present.policies[name])
    write.policies[name].version += 1
    return running.send(update.SerializeToString(), signers).taken


def _become(running: Ordering, wanted: Group) -> Answer:
    """Let the keeper bring the channel to a configuration, whatever the versions in it."""

    def edit(root: Group) -> None:
        present = Group()
        present.CopyFrom(root)
        root.CopyFrom(wanted)
        _keep_versions(present, root)

    return change(running, edit, [KEEPER])


def _keep_versions(present: Any, wanted: Any) -> None:
    wanted.version = present.version
    for kind in ("groups", "values", "policies"):
        before, after = getattr(present, kind), getattr(wanted, kind)
        for name in set(before) & set(after):
            if kind == "groups":
                _keep_versions(before[name], after[name])
            else:
                after[name].version = before[name].version


def change(running: Ordering, edit: Any, signers: Sequence[base.Signer]) -> Answer:
    """Let some change the newest channel's configuration by editing its root; return what the orderer says."""
    present = running.config().channel_group
    wanted = Group()
    wanted.CopyFrom(present)
    edit(wanted)
    try:
        update = compute_update(running.name, present, wanted)
    except ValueError:
        return Answer(taken=True, message="it is so already")
    return running.send(update.SerializeToString(), signers)


def _key_in(text: bytes) -> base.Make | None:
    """Return what signs with the key of a certificate, of what is none with some key.

    None: nobody has the key, or no peer takes a signature by one of its kind, though it takes the certificate.
    """
    try:
        public = x509.load_pem_x509_certificate(text).public_key()
    except ValueError:
        return base.makes("user")
    if isinstance(public, ec.EllipticCurvePublicKey) and isinstance(public.curve, ec.SECP521R1):
        return None
    for name in NAMES:
        if ed25519_key_of(name).public_key() == public:
            return ed25519_key_of(name).sign
        if isinstance(public, ec.EllipticCurvePublicKey) and key_of(name, public.curve).public_key() == public:
            return _ecdsa(key_of(name, public.curve))
    return None


def _ecdsa(key: ec.EllipticCurvePrivateKey) -> base.Make:
    if key.curve.name not in signature_cases.ORDERS:
        return lambda message: low(key.sign(message, DETERMINISTIC))
    return signature_cases.halved(key, DETERMINISTIC, min)
