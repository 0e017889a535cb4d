"""Commits blocks: validates, applies and stores them, and tells whoever waits."""

import asyncio
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

from network.devnet import lifecycle, mvcc
from network.devnet import protos as p
from network.devnet.blocks import check_block, config_in, config_of, last_config
from network.devnet.channel import Channel
from network.devnet.collection_rules import find
from network.devnet.commithash import commit_hash, update_bytes
from network.devnet.configtx import apply_config
from network.devnet.envelopes import COMMIT_HASH, TRANSACTIONS_FILTER, parse
from network.devnet.holder import Holder
from network.devnet.keylevel import Changed, policy_among
from network.devnet.policy import Policy, PolicyError
from network.devnet.private_sets import split_hashes
from network.devnet.store import Changes, Store, TransactionPlace
from network.devnet.validator import Verdict, check_transaction

Codes = p.transaction
VALID_ALONE = bytes([Codes.VALID])


class Committer:
    """A peer's ledger: the only place where its state changes."""

    def __init__(
        self, store: Store, channel_name: str, *, time_window_s: float, log: Any, serialized: bytes = b""
    ) -> None:
        """Begin for a ledger; `serialized` is the peer's identity, as which it holds private data."""
        self.store = store
        self.holder = Holder(store, serialized)
        self._name = channel_name
        self._window = time_window_s
        self._log = log
        self._commit_hash = b""
        self._parameters: dict[str, bytes | None] = {}  # of chaincodes' definitions: asked for twice a transaction
        self._waiting: dict[str, list[asyncio.Future[TransactionPlace]]] = defaultdict(list)
        self._grown = asyncio.Event()
        self.channel: Channel
        self.config_block = 0
        if store.height:
            self._resume()

    def _resume(self) -> None:
        if self.store.height > 1:
            block = self.store.existing_block(self.store.height - 1)
            self.config_block = self._last_valid_config(block)
            self._commit_hash = parse(p.common.Metadata, block.metadata.metadata[COMMIT_HASH], "Metadata").value
        self.channel = self._configured(config_of(self.store.existing_block(self.config_block)))

    def _last_valid_config(self, block: Any) -> int:
        """Return the number of the config block in force: the last that was valid, whatever the orderer names."""
        while True:
            number = last_config(block)
            if self.store.existing_block(number).metadata.metadata[TRANSACTIONS_FILTER] == VALID_ALONE:
                return number
            block = self.store.existing_block(number - 1)

    def _configured(self, config: Any) -> Channel:
        return Channel.of(self._name, config, time_window_s=self._window)

    @property
    def height(self) -> int:
        """Return the number of blocks."""
        return self.store.height

    def block(self, number: int) -> Any:
        """Return a block."""
        return self.store.existing_block(number)

    def join(self, genesis: Any) -> None:
        """Start the ledger from its genesis block."""
        self.channel = self._configured(config_of(genesis))
        genesis.metadata.metadata[TRANSACTIONS_FILTER] = bytes([Codes.VALID])
        self.store.append(genesis, [], Changes({}))

    async def commit(self, block: Any) -> None:
        """Validate and store the next block.

        Raises:
            BlockError: it does not follow the last one or is not signed as the channel demands.
        """
        check_block(block, self.height, self.store.last_hash, self.channel)
        verdicts, changed = [], Changed()
        for raw in block.data.data:
            verdicts.append(check_transaction(raw, self.channel, self, changed))
            await asyncio.sleep(0)  # endorsing goes on meanwhile
        config = config_in(block)
        if config is not None:
            verdicts = [apply_config(config, self.channel, verdicts[0])]
        number = block.header.number
        codes, updates = self._resolve(number, verdicts)
        private = await self.holder.gather(number, verdicts, codes, updates, self.channel)
        sealed = self._seal(block, codes, updates)
        placed = self._place(verdicts, codes)
        txids = [verdict.txid for verdict in verdicts]
        changes = Changes(updates.writes | private.writes, updates.metadata, list(_writers(number, verdicts, codes)))
        self.store.append(block, placed, changes, lambda connection: private.store(connection, number, txids))
        self._commit_hash = sealed
        if any(namespace == lifecycle.NAMESPACE for namespace, _ in updates.writes):
            self._parameters.clear()
        if config is not None and codes[0] == Codes.VALID:
            self.channel = self._configured(config.config)
            self.config_block = block.header.number
            self._log.info("configuration changed", block=block.header.number, sequence=config.config.sequence)
        self._notify(placed)

    def _place(self, verdicts: list[Verdict], codes: list[int]) -> list[tuple[str, int, int]]:
        """Return (id, position, code) of every transaction that is the first to bear its id."""
        placed: dict[str, tuple[str, int, int]] = {}
        for position, verdict in enumerate(verdicts):
            if verdict.txid and verdict.txid not in placed and not self.known(verdict.txid):
                placed[verdict.txid] = (verdict.txid, position, codes[position])
        return list(placed.values())

    def _resolve(self, number: int, verdicts: list[Verdict]) -> tuple[list[int], mvcc.Updates]:
        """Return the final codes and the state updates: duplicate ids in the block, then serialisability."""
        updates = mvcc.Updates()
        codes: list[int] = []
        seen: set[str] = set()
        for position, verdict in enumerate(verdicts):
            code = verdict.code
            if code == Codes.VALID and verdict.txid:
                if verdict.txid in seen:
                    code = Codes.DUPLICATE_TXID
                else:
                    seen.add(verdict.txid)
                    code = mvcc.validate(verdict.sets, self.store.current, updates)
            if code == Codes.VALID:
                updates.apply(verdict.sets, (number, position), self.store.current)
            else:
                name = Codes.TxValidationCode.Name(code)
                self._log.info("transaction invalid", txid=verdict.txid, code=name, reason=verdict.reason)
            codes.append(code)
        return codes, updates

    def _seal(self, block: Any, codes: list[int], updates: mvcc.Updates) -> bytes:
        """Write what this peer adds to a block, the validation codes and its commit hash, and return the latter."""
        flags = bytes(codes)
        while len(block.metadata.metadata) <= COMMIT_HASH:
            block.metadata.metadata.append(b"")
        block.metadata.metadata[TRANSACTIONS_FILTER] = flags
        sealed = commit_hash(flags, update_bytes(updates.writes), self._commit_hash)
        block.metadata.metadata[COMMIT_HASH] = p.common.Metadata(value=sealed).SerializeToString()
        return sealed

    def _notify(self, placed: list[tuple[str, int, int]]) -> None:
        number = self.height - 1
        for txid, position, code in placed:
            for future in self._waiting.pop(txid, ()):
                if not future.done():
                    future.set_result(TransactionPlace(number, position, code))
        self._grown.set()
        self._grown = asyncio.Event()

    async def wait_for_block(self, number: int) -> None:
        """Return once a block is there."""
        while self.height <= number:
            await self._grown.wait()

    async def wait_for_transaction(self, txid: str) -> TransactionPlace:
        """Return what became of a transaction, once it is committed."""
        place = self.store.transaction(txid)
        if place is not None:
            return place
        future: asyncio.Future[TransactionPlace] = asyncio.get_running_loop().create_future()
        self._waiting[txid].append(future)
        try:
            return await future
        finally:
            waiting = self._waiting.get(txid)
            if waiting and future in waiting:
                waiting.remove(future)
                if not waiting:
                    del self._waiting[txid]

    def known(self, txid: str) -> bool:
        """Say whether a transaction id stands in an earlier block."""
        return self.store.transaction(txid) is not None

    def validation_parameter(self, chaincode: str) -> bytes | None:
        """Return a defined chaincode's serialized ApplicationPolicy; None if it is not defined."""
        if chaincode not in self._parameters:
            self._parameters[chaincode] = lifecycle.validation_parameter(self.store.current, chaincode)
        return self._parameters[chaincode]

    def key_policy(self, namespace: str, key: str) -> bytes:
        """Return a key's own policy, a serialized SignaturePolicyEnvelope; empty if it has none."""
        return policy_among(self.store.current.metadata_entries(namespace, key))

    def collection_policy(self, chaincode: str, collection: str) -> Policy | None:
        """Return a collection's own policy, None: the chaincode's; PolicyError if there is no such collection."""
        found = find(self.store.current, self.channel, chaincode, collection)
        if found is None:
            raise PolicyError(f"no such collection '{collection}'")
        return found.endorsement(self.channel)


def _writers(number: int, verdicts: Sequence[Verdict], codes: Sequence[int]) -> Iterator[tuple[str, str, int, int]]:
    """Yield namespace, key, block and position of each public write of a valid transaction."""
    for position, verdict in enumerate(verdicts):
        if codes[position] == Codes.VALID:
            for space, kv_set in verdict.sets.items():
                if not split_hashes(space)[1]:
                    yield from ((space, write.key, number, position) for write in kv_set.writes)
