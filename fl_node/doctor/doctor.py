"""`fedledger node doctor`: what must be right before a node can take part, and what to do where it is not."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Final

from cryptography import x509

from fl_node import codes
from fl_node.blobs import tls
from fl_node.blobs.client import BlobClient
from fl_node.blobs.responses import UNKNOWN_CERTIFICATE
from fl_node.codes import CATALOGUE
from fl_node.doctor.datafit import check_data
from fl_node.doctor.findings import CautionError, Finding, awaited, checked, failed
from fl_node.errors import NodeError
from fl_node.ledger.client import Ledger, LedgerError, open_ledger, public_key_hash
from fl_node.node.config import NodeConfig
from fl_node.node.readiness import (
    check_clock,
    check_data_exists,
    check_disk,
    check_identity,
    renewal,
    rotate_key,
)
from fl_node.plan.child import confinement
from network.addresses import WILDCARDS, join
from network.connection import Profile, profile
from network.directory import Believed, imported
from network.errors import FedledgerError
from network.following import believe
from network.processes import answers
from network.topology import Organisation

RENEWAL_TIME: Final = timedelta(days=14)


async def examine(config: NodeConfig) -> AsyncIterator[Finding]:
    """Run every check, from what is nearest to what depends on it; a check that cannot run says why."""
    own: Profile | None = None
    try:
        own = profile(config.run, config.organisation, config.user)
    except FedledgerError as error:
        yield failed("identity", error)
        return
    yield checked("identity", lambda: check_identity(config, own))
    yield checked("renewal", lambda: check_renewal(config, own))
    yield checked("disk", lambda: check_disk(config))
    yield await awaited("plan sandbox", check_sandbox(config))
    yield await awaited("clock", check_clock(config))
    believed = Believed()
    channel = await awaited("channel", check_channel(config, own, believed))
    yield channel
    if channel.status == "error":  # whom the exports name is whom the channel named once
        believed.learn(imported(config.run, config.consortium))
    yield await awaited("blob services", check_known_services(config, believed))
    answering = [await awaited("ledger", check_peer(replace(own, peers=(peer,)))) for peer in own.peers]
    for finding in answering:
        yield finding
    if not any(finding.status == "ok" for finding in answering):
        yield checked("data", lambda: check_data_alone(config))
        for name in ("participant", "plan", "phases"):
            yield Finding(name, "warning", "not checked: only the ledger tells", codes.LEDGER_UNREACHABLE, channel.mend)
        return
    try:
        async with open_ledger(own) as ledger:
            yield await awaited("participant", check_participant(config, own, ledger))
            yield await awaited("data and plan", check_data(config, ledger))
            yield await awaited("phases", check_phases(config, ledger))
    except FedledgerError as error:
        yield failed("ledger", error)


def check_renewal(config: NodeConfig, own: Profile) -> str:
    """Check that the certificate need not be renewed soon.

    Raises:
        CautionError: FL4012, it ends within two weeks.
    """
    left = x509.load_pem_x509_certificate(own.cert_pem).not_valid_after_utc - datetime.now(UTC)
    if timedelta() < left < RENEWAL_TIME:
        hint = f"Renew it with `{renewal(config)}`, then start the node again."
        raise CautionError(codes.CERTIFICATE_ENDS_SOON, f"the certificate ends in {left.days} days", hint=hint)
    return f"due in {max(0, left.days)} days"


async def check_peer(own: Profile) -> str:
    """Check that one of the organisation's peers, the profile's only one, answers.

    Raises:
        NodeError: FL4005, it does not.
    """
    async with open_ledger(own):
        return f"the peer at {own.peers[0][0]} answers"


async def check_sandbox(config: NodeConfig) -> str:
    """Start a plan's child process and look what holds it.

    Raises:
        PlanError: FL3040, it does not start; CautionError: FL4013, the kernel leaves something open to it.
    """
    held = await asyncio.to_thread(confinement, config.sandbox)
    if not held.whole:
        raise CautionError(codes.SANDBOX_INCOMPLETE, str(held), hint=CATALOGUE[codes.SANDBOX_INCOMPLETE].hint)
    return str(held)


async def check_channel(config: NodeConfig, own: Profile, believed: Believed) -> str:
    """Learn from the own peer what the channel says of everybody.

    Raises:
        NetworkError: FL1060, no own peer answers: which, and what to do.
    """
    believed.learn((await believe(own, config.consortium)).directory or {})
    return f"it has {len(believed.directory or ())} organisations"


def check_data_alone(config: NodeConfig) -> str:
    """Check that the rows are there, where no plan is known that they have to fit; FL4001 if they are not."""
    check_data_exists(config)
    return "no data: this node holds blobs and attests" if config.data is None else f"{config.data.name} is there"


async def check_known_services(config: NodeConfig, believed: Believed) -> str:
    """Check that the own blob service runs or can, and that enough others answer for an update to be committed.

    Raises:
        NodeError: FL4008, something else holds the port, or fewer answer than the endorsement policy needs.
    """
    consortium = config.consortium
    me = consortium.organisation(config.organisation)
    contexts = tls.calling(config.run, config.organisation, config.user, believed)
    urls = consortium.blob_services
    async with BlobClient(urls, contexts) as client:
        _require_own_service(me, await client.problem(me.name) if me.inbound else "")
        urls.pop(me.name, None)
        answers = await asyncio.gather(*(client.healthy(name) for name in urls))
    silent = [name for name, answer in zip(urls, answers, strict=True) if not answer]
    if len(urls) - len(silent) < consortium.threshold - 1:
        hint = "Start the other members' nodes, or `fedledger blobs serve`; check ports and firewalls."
        raise NodeError(codes.BLOB_SERVICE_SILENT, f"the blob services of {', '.join(silent)} do not answer", hint=hint)
    return f"{len(urls) - len(silent)} of {len(urls)} other members answer"


def _require_own_service(me: Organisation, problem: str) -> None:
    """Check that the own blob service answers as ours, or that its port is free; FL4008 if neither."""
    if not problem or _is_free(me.bound, me.blob_port or 0):
        return
    where = join(me.bound, me.blob_port or 0)
    if problem.startswith(UNKNOWN_CERTIFICATE):
        renew = f"fedledger identity rotate {me.name} blobs"
        hint = f"Its certificate must bear the host's name: correct the definition, `{renew}`, start the node again."
        raise NodeError(codes.BLOB_SERVICE_SILENT, f"the own blob service: {problem}", where=where, hint=hint)
    hint = "Free the port, or give the organisation another blob_port in the definition."
    raise NodeError(codes.BLOB_SERVICE_SILENT, f"something else holds {where}", hint=hint)


async def check_participant(config: NodeConfig, own: Profile, ledger: Ledger) -> str:
    """Check the ledger's record of this node.

    Raises:
        NodeError: FL4006, not active or under another key; FL4003, the channel refuses the certificate.
    """
    try:
        record = await ledger.participant(config.name)
    except LedgerError as error:
        if error.code == codes.CERTIFICATE_REFUSED:  # it has not ended, so it was revoked
            error.hint = f"Where the organisation's administrator is, run `{rotate_key(config)}`; then start the node."
        raise
    if record.key_hash != public_key_hash(own.cert_pem):
        hint = f"Where the organisation's administrator is, run `{rotate_key(config)}`; then start the node again."
        raise NodeError(codes.NOT_ADMITTED, "the ledger knows another key for this participant", hint=hint)
    if record.status.lower() != "active":
        hint = "See `fedledger proposal list`; the organisations vote on it."
        raise NodeError(codes.NOT_ADMITTED, f"the participant is {record.status}", hint=hint)
    return f"{config.name} is active under {record.msp_id}"


async def check_phases(config: NodeConfig, ledger: Ledger) -> str:
    """Check that no sender whose clock is off can cut a phase short: the terms must know the peers' time window.

    Raises:
        CautionError: FL4011, they do not (docs/threat-model.md).
    """
    peers_ms = config.consortium.time_window_s * 1000
    voted_ms = (await ledger.parameters()).time_window_ms
    if voted_ms < peers_ms:
        text = f"the terms count with a time window of {voted_ms / 1000:g} s, peers accept {peers_ms / 1000:g} s"
        phases = f"time_window_ms {peers_ms} and every phase at least {3 * peers_ms}"
        hint = f"Unless this is a demonstration, vote `set_parameters` with {phases}."
        raise CautionError(codes.TERMS_LET_CLOCK_CUT_PHASES, text, hint=hint)
    return "no clock within the peers' window can cut one short"


def _is_free(host: str, port: int) -> bool:
    return not answers(WILDCARDS.get(host, host), port)
