"""What a peer answers itself: qscc, cscc, the reading half of _lifecycle, and the commit of the definition it approves.

Source: core/scc/{qscc,cscc}, core/chaincode/lifecycle/scc.go. What changes a peer is not provided.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from network.devnet import lifecycle
from network.devnet import protos as p
from network.devnet.channel import CHANNEL_READERS, CHANNEL_WRITERS
from network.devnet.committer import Committer
from network.devnet.envelopes import MalformedError, Proposal, parse
from network.devnet.policy import PolicyError
from network.devnet.simulator import Simulation

SYSTEM = frozenset({"qscc", "cscc", lifecycle.NAMESPACE})
REJECTIONS = {
    "qscc": "QSCC from another chaincode because of potential for deadlocks",
    "cscc": "CSCC from another chaincode",
}


class QueryError(Exception):
    """The query cannot be answered."""


class SystemChaincodes:
    """Answers from one peer's ledger."""

    def __init__(self, committer: Committer, approved: Callable[[str, int], lifecycle.Definition | None]) -> None:
        """Answer from a ledger; `approved` returns what the organisation approves by name and sequence."""
        self._committer = committer
        self._approved = approved
        self._functions: dict[tuple[str, str], Callable[[list[bytes]], Any]] = {
            ("qscc", "GetChainInfo"): self._chain_info,
            ("qscc", "GetBlockByNumber"): self._block_by_number,
            ("qscc", "GetBlockByHash"): self._block_by_hash,
            ("qscc", "GetBlockByTxID"): self._block_by_transaction,
            ("qscc", "GetTransactionByID"): self._transaction,
            ("cscc", "GetChannels"): self._channels,
            ("cscc", "GetConfigBlock"): self._config_block,
            ("cscc", "GetChannelConfig"): self._channel_config,
            (lifecycle.NAMESPACE, "QueryChaincodeDefinition"): self._definition,
            (lifecycle.NAMESPACE, "QueryChaincodeDefinitions"): self._definitions,
        }

    def invoke(self, proposal: Proposal) -> tuple[Any, bytes]:
        """Return the Response to a proposal for a system chaincode, and what it writes."""
        arguments = list(proposal.input.args)
        name = arguments[0].decode(errors="replace") if arguments else ""
        try:
            if (proposal.chaincode, name) == (lifecycle.NAMESPACE, lifecycle.COMMIT):
                return p.proposal_response.Response(status=200), self._commit(proposal, arguments[1:])
            message = self._call(proposal, name, arguments[1:])
        except (QueryError, MalformedError) as error:
            return p.proposal_response.Response(status=500, message=str(error)), b""
        return p.proposal_response.Response(status=200, payload=message.SerializeToString()), b""

    def query(self, proposal: Proposal, chaincode: str, arguments: list[bytes]) -> Any:
        """Return the Response to another chaincode's query; only _lifecycle answers, on behalf of the creator."""
        if chaincode in REJECTIONS:
            message = f"Rejecting invoke of {REJECTIONS[chaincode]}, original invocation for '{proposal.chaincode}'"
            return p.proposal_response.Response(status=500, message=message)
        name = arguments[0].decode(errors="replace") if arguments else ""
        try:
            message = self._call(replace(proposal, chaincode=chaincode), name, arguments[1:])
        except (QueryError, MalformedError) as error:
            return p.proposal_response.Response(status=500, message=str(error))
        return p.proposal_response.Response(status=200, payload=message.SerializeToString())

    def _commit(self, proposal: Proposal, arguments: list[bytes]) -> bytes:
        """Return the writes of a definition's commit, if it is the one that this organisation approves, and the next."""
        self._check_access(proposal, lifecycle.COMMIT)
        raw = arguments[0] if arguments else b""
        asked = parse(p.lifecycle.CommitChaincodeDefinitionArgs, raw, "CommitChaincodeDefinitionArgs")
        approved = self._approved(asked.name, asked.sequence)
        if approved is None or asked != lifecycle.arguments(approved):
            raise QueryError(f"chaincode definition for '{asked.name}' is not approved by this org")
        store = self._committer.store
        snapshot = store.open_snapshot()
        try:
            known = lifecycle.defined(snapshot, asked.name)
            following = 1 if known is None else known.sequence + 1
            if asked.sequence != following:
                message = f"requested sequence is {asked.sequence}, but new definition must be sequence"
                raise QueryError(f"{message} {following}")
            simulation = Simulation(proposal.channel.tx_id, snapshot)
            lifecycle.commit(simulation, approved)
            return simulation.results()
        finally:
            store.release(snapshot)

    def _call(self, proposal: Proposal, name: str, arguments: list[bytes]) -> Any:
        function = self._functions.get((proposal.chaincode, name))
        if function is None:
            raise QueryError(
                f"Requested function {name} not found; devnet provides the queries of {proposal.chaincode} only."
            )
        self._check_access(proposal, name)
        if proposal.chaincode == "qscc" or name in {"GetConfigBlock", "GetChannelConfig"}:
            self._check_channel(arguments)
            arguments = arguments[1:]
        if not arguments and name not in {"GetChainInfo", "GetConfigBlock", "GetChannelConfig", "GetChannels"}:
            raise QueryError(f"missing 3rd argument for {name}")
        return function(arguments)

    def _check_access(self, proposal: Proposal, name: str) -> None:
        channel = self._committer.channel
        default = CHANNEL_WRITERS if proposal.chaincode == lifecycle.NAMESPACE else CHANNEL_READERS
        policy = channel.policy(f"{proposal.chaincode}/{name}", default)
        try:
            policy.evaluate([channel.members.identity(proposal.signature.creator)])
        except PolicyError as error:
            raise QueryError(f"access denied for [{name}][{channel.name}]: [{error}]") from None

    def _check_channel(self, arguments: list[bytes]) -> None:
        name = arguments[0].decode(errors="replace") if arguments else ""
        if name != self._committer.channel.name:
            raise QueryError(f"Invalid chain ID, {name}")

    def _chain_info(self, arguments: list[bytes]) -> Any:
        del arguments
        store = self._committer.store
        last = store.existing_block(store.height - 1)
        return p.ledger.BlockchainInfo(
            height=store.height, currentBlockHash=store.last_hash, previousBlockHash=last.header.previous_hash
        )

    def _block_by_number(self, arguments: list[bytes]) -> Any:
        text = arguments[0].decode(errors="replace")
        if not text.isascii() or not text.isdigit():
            raise QueryError(f"Failed to parse block number with error invalid syntax: {text!r}")
        number = min(int(text), self._committer.height - 1 if int(text) == 2**64 - 1 else int(text))
        return self._found(self._committer.store.block(number) if number < 2**63 else None, f"block number {number}")

    def _block_by_hash(self, arguments: list[bytes]) -> Any:
        return self._found(self._committer.store.block_by_hash(arguments[0]), f"block hash {arguments[0].hex()}")

    def _block_by_transaction(self, arguments: list[bytes]) -> Any:
        return self._committer.store.block(self._place(arguments[0]).number)

    def _transaction(self, arguments: list[bytes]) -> Any:
        place = self._place(arguments[0])
        block = self._committer.store.existing_block(place.number)
        envelope = p.common.Envelope.FromString(block.data.data[place.position])
        return p.transaction.ProcessedTransaction(transactionEnvelope=envelope, validationCode=place.code)

    def _place(self, txid: bytes) -> Any:
        name = txid.decode(errors="replace")
        return self._found(self._committer.store.transaction(name), f"transaction with id {name}")

    @staticmethod
    def _found(value: Any, what: str) -> Any:
        if value is None:
            raise QueryError(f"Failed to get {what}, error no such entry in the ledger")
        return value

    def _channels(self, arguments: list[bytes]) -> Any:
        del arguments
        return p.query.ChannelQueryResponse(channels=[p.query.ChannelInfo(channel_id=self._committer.channel.name)])

    def _config_block(self, arguments: list[bytes]) -> Any:
        del arguments
        return self._committer.store.block(self._committer.config_block)

    def _channel_config(self, arguments: list[bytes]) -> Any:
        del arguments
        return self._committer.channel.config

    def _definition(self, arguments: list[bytes]) -> Any:
        name = parse(p.lifecycle.QueryChaincodeDefinitionArgs, arguments[0], "QueryChaincodeDefinitionArgs").name
        found = lifecycle.defined(self._committer.store.current, name)
        if found is None:
            raise QueryError(
                "failed to invoke backing implementation of 'QueryChaincodeDefinition': "
                f"namespace {name} is not defined"
            )
        return found

    def _definitions(self, arguments: list[bytes]) -> Any:
        del arguments
        state = self._committer.store.current
        prefix = lifecycle.metadata_key("")
        listed = p.lifecycle.QueryChaincodeDefinitionsResult()
        for key, _, _ in state.scan(lifecycle.NAMESPACE, prefix, prefix + "\U0010ffff"):
            name = key.removeprefix(prefix)
            entry = lifecycle.defined(state, name)
            if entry is not None:
                copied = {field.name: value for field, value in entry.ListFields()}
                listed.chaincode_definitions.add(name=name, **copied)
        return listed
