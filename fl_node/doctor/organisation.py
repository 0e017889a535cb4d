"""`fedledger doctor`: whether folder, hosts and addresses are as an organisation and the others need them."""

import asyncio
import hashlib
import shutil
import ssl
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from fl_node import codes
from fl_node.blobs.tls import authorities_of
from fl_node.codes import CATALOGUE
from fl_node.doctor.findings import CautionError, Finding, awaited, checked, failed
from fl_node.errors import NodeError
from fl_node.node.config import NodeConfig
from fl_node.node.readiness import check_clock
from network.addresses import join
from network.ca.keys import load_key
from network.channel_check import differences
from network.connection import consortium_of, profile
from network.errors import FedledgerError, NetworkError
from network.folders import OrganisationFolder, definition_path, folder_of
from network.package import read_lock
from network.plan import Plan
from network.rotation import place_of
from network.topology import Consortium, Organisation
from network.units.keys import require_own_keys
from network.units.model import Unit, Wishes, units_of
from network.units.places import Places

RENEWAL_TIME: Final = timedelta(days=30)
RESERVE: Final = 1 << 30
"""Bytes that ledgers and blobs should find free."""
DIAL_S: Final = 10.0
CALLERS: Final = {"member": "node", "regulator": "client", "orderer": "admin"}
"""The identity that asks the others for their clocks."""


async def examine_organisation(run: Path, organisation: str) -> AsyncIterator[Finding]:
    """Run every check, from the own folder to what the others show.

    Raises:
        NetworkError: FL1010, FL1020 or FL1021, there is no such organisation or network here.
    """
    consortium, plan = consortium_of(run), Plan.read(run)
    units = units_of(consortium, plan, organisation, Places(run), Wishes())
    own = consortium.organisation(organisation)
    yield checked("keys", lambda: check_keys(run, organisation, units))
    for unit in units:
        check = partial(check_certificates, folder_of(run, organisation), unit)
        yield checked(f"certificates of {unit.name}", check)
    yield checked("disk", lambda: check_space(run))
    if own.role == "member":
        yield checked("program", lambda: check_program(run, units))
    yield await awaited("clock", check_clock(NodeConfig(run, organisation, None, user=CALLERS[own.role])))
    if own.peers:
        yield await awaited("channel", check_channel(consortium, run, organisation, CALLERS[own.role]))
    addresses = list(advertised(consortium))
    answers = await asyncio.gather(*(_dialled(run, owner, host, port) for owner, host, port in addresses))
    for (owner, host, port), error in zip(addresses, answers, strict=True):
        yield _seen(owner, own, join(host, port), error)


def check_keys(run: Path, organisation: str, units: tuple[Unit, ...]) -> str:
    """Check that the folder holds the keys of the organisation's processes, and nobody else's.

    Raises:
        NetworkError: FL1080, another's key; FL1081, an own one lacks.
    """
    require_own_keys(run, organisation, units, run)
    return f"{sum(len(unit.keys) for unit in units)} keys, all of {organisation}"


def check_certificates(folder: OrganisationFolder, unit: Unit) -> str:
    """Check that each key of a process has its certificate beside it, in force and not about to end.

    Raises:
        NodeError: FL4002, not the key's; FL4003, not in force; CautionError: FL4012, it ends within 30 days.
    """
    ends = [_check_certificate(folder, key, certificate_of(key)) for key in unit.keys]
    return f"until {min(ends):%Y-%m-%d}"


def certificate_of(key: Path) -> Path:
    """Return where the certificate of a private key lies."""
    if key.parent.name == "keystore":
        return key.parent.parent / "signcerts" / "cert.pem"
    return key.with_suffix(".crt")


def _check_certificate(folder: OrganisationFolder, key: Path, path: Path) -> datetime:
    try:
        certificate = x509.load_pem_x509_certificate(path.read_bytes())
        belongs = load_key(key).public_key() == certificate.public_key()
    except (OSError, ValueError, NetworkError) as error:
        hint = getattr(error, "hint", "") or _RESTORE
        raise NodeError(codes.IDENTITY_UNUSABLE, f"unreadable: {error}", where=str(path), hint=hint) from None
    if not belongs:
        text = f"{path.name} is not the certificate of {key.name}"
        raise NodeError(codes.IDENTITY_UNUSABLE, text, where=str(path), hint=_RESTORE)
    now, ends = datetime.now(UTC), certificate.not_valid_after_utc
    renew = mend(folder, key)
    if not certificate.not_valid_before_utc <= now <= ends:
        raise NodeError(codes.CERTIFICATE_REFUSED, f"valid until {ends:%Y-%m-%d}", where=str(path), hint=renew)
    if ends - now < RENEWAL_TIME:
        text = f"the certificate ends in {(ends - now).days} days"
        raise CautionError(codes.CERTIFICATE_ENDS_SOON, text, where=str(path), hint=renew)
    return ends


_RESTORE: Final = "Restore key and certificate that belong together, from a backup (docs/runbooks/key-lost.md)."


def mend(folder: OrganisationFolder, key: Path) -> str:
    """Return how the certificate of one of an organisation's keys is renewed."""
    place = place_of(folder.secrets, key)
    if place[0] == "orderers":
        return "The channel names an orderer's certificate: follow docs/runbooks/certificate-ended.md."
    return f"Renew it with `fedledger identity rotate {folder.name} {place[-1]}`."


def check_space(run: Path) -> str:
    """Check that ledgers and blobs have room; FL4007 where they have less than 1 GiB."""
    free = shutil.disk_usage(run).free
    if free < RESERVE:
        raise NodeError(codes.DISK_REFUSES, f"{free >> 20} MB free", where=str(run), hint="Free some space.")
    return f"{free >> 30} GB free"


def check_program(run: Path, units: tuple[Unit, ...]) -> str:
    """Check that the chaincode's program, beside every peer, is the one that the members agreed on.

    Raises:
        NetworkError: FL1044, no package.lock; NodeError: FL4016, another program, or none.
    """
    lock = read_lock(run)
    for program in {Path(unit.process.command[0]) for unit in units if unit.process.service == "chaincode"}:
        try:
            digest = hashlib.sha256(program.read_bytes()).hexdigest()
        except OSError as error:
            raise _other_program(f"cannot be read: {error.strerror}", program) from None
        if digest != lock.program:
            raise _other_program(f"its SHA-256 is {digest}, package.lock says {lock.program}", program)
    return f"version {lock.version}, as package.lock says"


def _other_program(text: str, program: Path) -> NodeError:
    return NodeError(codes.PROGRAM_DIFFERS, text, where=str(program), hint=CATALOGUE[codes.PROGRAM_DIFFERS].hint)


async def check_channel(consortium: Consortium, run: Path, organisation: str, user: str) -> str:
    """Check that the channel's configuration is what the own definition says.

    Raises:
        NetworkError: FL1060, the own peer does not answer; NodeError: FL4005, it takes too long; FL4017 with every
            difference.
    """
    try:
        async with asyncio.timeout(DIAL_S):
            found = await differences(consortium, run, profile(run, organisation, user))
    except TimeoutError:
        hint = CATALOGUE[codes.LEDGER_UNREACHABLE].hint
        raise NodeError(codes.LEDGER_UNREACHABLE, "the own peer takes too long to answer", hint=hint) from None
    if found:
        hint = CATALOGUE[codes.CHANNEL_DIFFERS].hint
        raise NodeError(codes.CHANNEL_DIFFERS, "; ".join(found), where=str(definition_path(run)), hint=hint)
    return "its configuration is what the definition says"


def advertised(consortium: Consortium) -> Iterator[tuple[Organisation, str, int]]:
    """Yield (organisation, host, port) of everything that others dial."""
    for organisation in consortium.organisations:
        for peer in organisation.peers:
            yield organisation, peer.host, peer.port
        for orderer in organisation.orderers:
            yield organisation, orderer.host, orderer.port
        if organisation.blob_port is not None and organisation.inbound:
            yield organisation, organisation.host, organisation.blob_port


async def _dialled(run: Path, owner: Organisation, host: str, port: int) -> NodeError | None:
    """Dial an address as everybody does, and check that its certificate has its name and its organisation's issuer."""
    where = join(host, port)
    try:
        async with asyncio.timeout(DIAL_S):
            _, writer = await asyncio.open_connection(host, port, ssl=_accepting(run, owner), server_hostname=host)
    except ssl.SSLError as error:
        text = f"{where}: {getattr(error, 'verify_message', '') or error.reason}"
        return NodeError(codes.ADDRESS_OF_ANOTHER, text, hint=CATALOGUE[codes.ADDRESS_OF_ANOTHER].hint)
    except (OSError, TimeoutError) as error:
        text = f"{where}: {error.strerror if isinstance(error, OSError) and error.strerror else 'no answer'}"
        return NodeError(codes.ADDRESS_SILENT, text, hint=CATALOGUE[codes.ADDRESS_SILENT].hint)
    writer.transport.abort()
    return None


def _accepting(run: Path, owner: Organisation) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.set_alpn_protocols(["h2", "http/1.1"])
    for authority in authorities_of(run, owner.name).issuing:
        context.load_verify_locations(cadata=authority.public_bytes(Encoding.DER))
    return context


def _seen(owner: Organisation, own: Organisation, where: str, error: FedledgerError | None) -> Finding:
    """Return what dialling showed; only the own addresses are one's own to mend."""
    name = f"address of {owner.name}"
    if error is None:
        return Finding(name, "ok", f"{where} answers with its own certificate")
    found = failed(name, error)
    return (
        found
        if owner is own
        else Finding(name, "warning", found.message, found.code, f"Tell {owner.name}: {found.mend}")
    )
