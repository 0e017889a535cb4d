"""What an organisation's admin asks its own peer and the orderers to do, with Fabric's own command."""

import functools
import json
import os
import subprocess
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from network import codes
from network.errors import NetworkError
from network.fabric.binaries import find_binaries
from network.fabric.package import package_of
from network.files import write_atomically
from network.folders import channel_block, folder_of, lock_path, public_parts
from network.package import Lock, lock_of
from network.plan import peer_process
from network.processes import answers
from network.topology import Consortium, Organisation

COMMAND_TIMEOUT_S = 90
POLL_S = 0.5
# What `peer` says of a transaction that is in no block after 30 s, and of who is in no organisation that it knows.
LOST, UNKNOWN_YET = "timed out waiting for txid", "creator org unknown"
# Of a transaction that the orderers did not take, since they elect a leader or have not caught up: they took nothing.
NOT_TAKEN = "SERVICE_UNAVAILABLE"
# Of a transaction that it simulated on blocks that were not the newest, and of private data that it lacks.
OUTDATED, WITHOUT = "transaction invalidated", "private data matching public hash version is not available"
POLICY = "/Channel/Application/Endorsement"  # the chaincode's policy is the channel's: one place says who endorses


@dataclass(frozen=True)
class Admin:
    """The admin of one organisation, at one of its peers."""

    consortium: Consortium
    run: Path
    organisation: Organisation
    number: int = 0

    def join(self) -> None:
        """Let the peer join the channel, unless it has."""
        self._peer("channel", "join", "-b", str(channel_block(self.run)), done=("already exists",))

    def install(self) -> None:
        """Install the chaincode package, unless it is."""
        package = str(package_of(self.run, self.consortium))
        self._peer("lifecycle", "chaincode", "install", package, done=("already successfully installed",))

    def approve(self) -> None:
        """Approve the chaincode definition for the organisation, unless it has.

        Raises:
            NetworkError: FL1043 unless it is the locked one, FL1065 if the approval was lost with the peer's ledger.
        """
        package_id = self._locked().package_id
        arguments = ["--package-id", package_id, *self._definition()]
        chaincode = self.consortium.chaincode
        # Had another definition been approved, the sentence would go on "with different parameters".
        committed = f"redefine the current committed sequence ({chaincode.sequence}) for namespace {chaincode.name}\n"
        done = ("unchanged content", committed)
        self._submit(
            lambda turn: self._peer(
                "lifecycle", "chaincode", "approveformyorg", *arguments, *self._orderer(turn), done=done
            ),
            lambda: self._approved(package_id),
        )

    def _approved(self, package_id: str) -> bool:
        """Say whether the organisation has approved this program for the sequence.

        Fabric 2.5 takes the same approval again and then finds a transaction that writes nothing invalid. What was
        approved is private data of the organisation's peers: a new ledger has it from another of them or from nobody.
        """
        chaincode = self.consortium.chaincode
        question = ["-C", self.consortium.channel, "-n", chaincode.name, "--sequence", str(chaincode.sequence)]
        done = ("could not fetch approved", WITHOUT)
        ask = functools.partial(self._peer, "lifecycle", "chaincode", "queryapproved", *question, done=done)
        deadline = time.monotonic() + COMMAND_TIMEOUT_S * (len(self.organisation.peers) > 1)
        while WITHOUT in (answer := ask()) and time.monotonic() < deadline:
            time.sleep(POLL_S)
        if WITHOUT in answer:
            message = f"with its peer's ledger {self.organisation.name} lost its approval of the chaincode"
            hint = codes.CATALOGUE[codes.APPROVAL_LOST].hint
            raise NetworkError(codes.APPROVAL_LOST, message, where=self.organisation.name, hint=hint)
        return f"package-id: {package_id}" in answer

    def approvals(self) -> tuple[str, ...]:
        """Return the members who have approved the chaincode definition."""
        arguments = [*self._definition(), "--output", "json"]
        answer = json.loads(self._peer("lifecycle", "chaincode", "checkcommitreadiness", *arguments, errors=False))
        return tuple(m.name for m in self.consortium.members if answer["approvals"].get(m.msp_id))

    def commit(self, approved: Sequence[str]) -> None:
        """Commit the chaincode definition that these members, a majority, approved: their peers endorse it."""
        peers: list[str] = []
        for name in approved:
            member = self.consortium.organisation(name)
            up = (peer for peer in member.peers if answers(peer.host, peer.port))
            peer = next(up, member.peer)
            peers += ["--peerAddresses", peer.address, "--tlsRootCertFiles", self._tls_root(member)]
        arguments = [*self._definition(), *peers]
        self._submit(
            lambda turn: self._peer("lifecycle", "chaincode", "commit", *arguments, *self._orderer(turn)),
            self.committed,
        )

    def committed(self) -> bool:
        """Say whether the channel has the chaincode at the definition's sequence or a later one.

        The peer of an organisation that came later knows nobody of it until it has the block that let it in.
        """
        chaincode = self.consortium.chaincode
        arguments = ["-C", self.consortium.channel, "-n", chaincode.name]
        ask = functools.partial(self._peer, "lifecycle", "chaincode", "querycommitted", *arguments)
        deadline = time.monotonic() + COMMAND_TIMEOUT_S
        while UNKNOWN_YET in (answer := ask(done=("is not defined", UNKNOWN_YET))) and time.monotonic() < deadline:
            time.sleep(POLL_S)
        if UNKNOWN_YET in answer:
            answer = ask(done=("is not defined",))
        _, found, rest = answer.partition("Sequence: ")
        return bool(found) and int(rest.partition(",")[0]) >= chaincode.sequence

    def _submit(self, send: Callable[[int], object], stands: Callable[[], bool]) -> None:
        """Send a transaction unless it stands, and again where no block held it in time: orderers may lose one.

        Each time another orderer is asked: one that is behind takes a transaction and passes it to nobody. A peer that
        has not caught up yet may approve what stands, which is invalid then: it is looked at again. Orderers that elect
        a leader are waited for.
        """
        deadline, again = time.monotonic() + COMMAND_TIMEOUT_S, 2
        while not stands():
            try:
                send(2 - again)
            except NetworkError as error:
                if NOT_TAKEN in error.message and time.monotonic() < deadline:
                    time.sleep(POLL_S)
                elif again and any(text in error.message for text in (LOST, OUTDATED)):
                    again -= 1
                else:
                    raise
            else:
                return

    def _locked(self) -> Lock:
        """Return package.lock if it is of this definition and of the package that was installed."""
        chaincode = self.consortium.chaincode
        lock = lock_of(self.run, self.consortium)
        if (lock.chaincode, lock.version) != (chaincode.name, chaincode.version):
            raise NetworkError(
                codes.OTHER_CHAINCODE,
                f"the definition names {chaincode.name} {chaincode.version}, the lock {lock.chaincode} {lock.version}",
                where=str(lock_path(self.run)),
                hint="Agree with the other members on one version and its package.lock.",
            )
        if package_of(self.run, self.consortium).read_bytes() != lock.package():
            raise NetworkError(
                codes.OTHER_CHAINCODE,
                f"the package to install is not that of {lock.package_id}, which the lock names",
                where=str(package_of(self.run, self.consortium)),
                hint="Remove the package and render it again from package.lock.",
            )
        return lock

    def _definition(self) -> list[str]:
        chaincode = self.consortium.chaincode
        named = ["-C", self.consortium.channel, "-n", chaincode.name, "-v", chaincode.version]
        policy = ["--sequence", str(chaincode.sequence), "--channel-config-policy", POLICY]
        return [*named, *policy, *self._collections()]

    def _collections(self) -> list[str]:
        """Name the file of the chaincode's collections, if it has any; it is written anew from the definition."""
        listed = [c.model_dump(mode="json", exclude_none=True) for c in self.consortium.chaincode.collections]
        if not listed:
            return []
        folder = folder_of(self.run, self.organisation.name)
        beside = folder.rendered(peer_process(self.organisation.name, self.number))
        path = beside / f"collections-{self.consortium.chaincode.name}.json"
        write_atomically(path, json.dumps(listed, indent=1) + "\n")
        return ["--collections-config", str(path)]

    def _orderer(self, turn: int) -> list[str]:
        """Name one of the orderers that answer, first of the own organisation where it has any, another each turn."""
        known = sorted(self.consortium.orderers, key=lambda each: each[0].name != self.organisation.name)
        up = [each for each in known if answers(each[1].host, each[1].port)] or known
        organisation, orderer = up[turn % len(up)]
        return ["-o", orderer.address, "--tls", "--cafile", self._tls_root(organisation)]

    def _tls_root(self, organisation: Organisation) -> str:
        return str(public_parts(self.run, organisation.name).tls_root)

    def _peer(self, *arguments: str, done: Iterable[str] = (), errors: bool = True) -> str:
        """Run `peer`; an answer that holds one of `done` means that there was nothing to do.

        Return what it says, on standard error too unless `errors` is false.
        """
        peer = self.organisation.peers[self.number]
        name = self.organisation.name
        folder = folder_of(self.run, name)
        environment = {
            "PATH": os.environ.get("PATH", ""),
            "FABRIC_CFG_PATH": str(folder.rendered(peer_process(name, self.number))),
            "CORE_PEER_MSPCONFIGPATH": str(folder.user("admin") / "msp"),
            "CORE_PEER_ADDRESS": peer.address,
            "FABRIC_LOGGING_SPEC": "warn",
        }
        command = [find_binaries(self.consortium.ordering).path("peer"), *arguments]
        what = " ".join(arguments[:3])
        try:
            result = subprocess.run(  # noqa: S603
                command, env=environment, capture_output=True, text=True, check=False, timeout=COMMAND_TIMEOUT_S
            )
        except subprocess.TimeoutExpired:
            raise NetworkError(
                codes.PEER_COMMAND_FAILED, f"`peer {what}` takes more than {COMMAND_TIMEOUT_S} s", where=name
            ) from None
        answer = result.stdout + result.stderr
        if result.returncode != 0 and not any(text in answer for text in done):
            raise NetworkError(codes.PEER_COMMAND_FAILED, f"`peer {what}` fails: {answer.strip()[-1000:]}", where=name)
        return answer if errors else result.stdout
