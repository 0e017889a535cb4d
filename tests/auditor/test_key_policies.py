"""Policies of keys and collections, calls between contracts, values that end: honest ledgers pass, forged ones fail."""

import asyncio
from collections.abc import Iterator

import pytest

from audit.evidence.fetch import fetch, read_blocks
from audit.fabric.state import State
from audit.fabric.wire import COMMIT_HASH, TRANSACTIONS_FILTER, header_hash
from audit.verify.verdict import Rule, Verdict
from audit.verify.verify import Auditor
from gateway import Contract, ValidationCode
from network.policy_text import parse_policy
from tests.auditor.conftest import open_ledger
from tests.auditor.corpus import Ledger
from tests.auditor.forge import Chain, Opened, copy_chain, flag, reseal
from tests.contract.harness import ledger as networks
from tests.contract.harness.collections import BRIEF, EVERY, SINGLE
from tests.contract.harness.ledger import CALLEE, endorse

A, B, C, D = (f"Hospital{letter}MSP" for letter in "ABCD")
VALID, REFUSED = ValidationCode.VALID, ValidationCode.ENDORSEMENT_POLICY_FAILURE
Placed = dict[str, tuple[int, str]]
"""The block and the id of each transaction by the name that the cases give it."""


def only(who: str) -> str:
    return str(parse_policy(f"OR('{who}.peer')").SerializeToString().hex())


class Traffic:
    """Makes transactions that name who endorses them, and notes where they stand."""

    def __init__(self, contract: Contract) -> None:
        self.contract, self.placed = contract, Placed()

    async def make(self, name: str, *call: str, by: list[str], code: ValidationCode = VALID) -> None:
        transient = {"value": name.encode()}
        transaction = await endorse(self.contract, *call, transient=transient, endorsing_organizations=by)
        await transaction.submit()
        status = await transaction.commit().status()
        assert status.code is code
        self.placed[name] = status.block_number, status.transaction_id

    async def keys(self) -> None:
        await self.make("first", "Put", "guarded", "1", by=[A, B, C])
        await self.make("policy", "SetPolicy", "guarded", only(A), by=[A, B, C])
        await self.make("by its owner", "Put", "guarded", "2", by=[A])
        await self.make("by all others", "Put", "guarded", "3", by=[B, C, D], code=REFUSED)
        await self.make("policy by its owner", "SetPolicy", "guarded", only(B), by=[A])
        await self.make("by the next owner", "Delete", "guarded", by=[B])
        await self.make("free again", "Put", "guarded", "4", by=[B, C, D])

    async def private(self) -> None:
        await self.make("collection by its endorser", "PutPrivate", SINGLE, "k", by=[A])
        await self.make("collection by the other", "PutPrivate", SINGLE, "k", by=[B], code=REFUSED)
        await self.make("private", "PutPrivate", EVERY, "k", by=[A, B, C])
        await self.make("private policy", "SetPrivatePolicy", EVERY, "k", only(D), by=[A, B, C])
        await self.make("private by its owner", "PutPrivate", EVERY, "k", by=[D])
        await self.make("private by all others", "PutPrivate", EVERY, "k", by=[A, B, C], code=REFUSED)

    async def ending(self) -> None:
        """A value ends two blocks after its own, and its policy with it."""
        await self.make("brief", "PutPrivate", BRIEF, "k", by=[A, B, C])
        await self.make("brief policy", "SetPrivatePolicy", BRIEF, "k", only(A), by=[A, B, C])
        for number in range(3):
            await self.make(f"later {number}", "Put", "later", str(number), by=[A, B, C])
        await self.make("once it ended", "PutIfPrivateHash", BRIEF, "k", "seen", by=[B, C, D])
        await self.make("brief again", "PutPrivate", BRIEF, "k", by=[A, B, C])

    async def calls(self) -> None:
        await self.make("call", "CallAndPut", "own", "1", CALLEE, "", "Put", "called", "1", by=[A, B, C])
        await self.make("call sets policy", "Call", CALLEE, "", "SetPolicy", "called", only(D), by=[A, B, C])
        await self.make(
            "call without it", "CallAndPut", "own", "2", CALLEE, "", "Put", "called", "2", by=[A, B, C], code=REFUSED
        )
        await self.make("call with it", "CallAndPut", "own", "3", CALLEE, "", "Put", "called", "3", by=[A, B, D])

    async def within_a_block(self) -> None:
        """Of a change of a policy and a write in one block the second is refused: until they stand in one."""
        for turn in range(20):
            key = f"together {turn}"
            await self.make(f"before {key}", "Put", key, "1", by=[A, B, C])
            made = [
                await endorse(self.contract, *call, key, argument, endorsing_organizations=[A, B, C, D])
                for call, argument in ((["SetPolicy"], only(A)), (["Put"], "2"))
            ]
            await asyncio.gather(*(transaction.submit() for transaction in made))
            ends = [await transaction.commit().status() for transaction in made]
            if ends[0].block_number == ends[1].block_number and ends[1].code is REFUSED:
                return
        raise AssertionError("they never stood in one block in this order")


async def _made(contract: Contract) -> Placed:
    traffic = Traffic(contract)
    for part in (traffic.keys, traffic.private, traffic.ending, traffic.calls, traffic.within_a_block):
        await part()
    return traffic.placed


@pytest.fixture(scope="module")
def guarded(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Ledger, Placed]]:
    """An honest ledger of all that, with where its transactions stand."""
    folder = tmp_path_factory.mktemp("guarded")
    kind, ordering = (str(pytestconfig.getoption(name)) for name in ("--network", "--ordering"))
    with networks.running(folder / "run", kind, ordering) as network:

        async def live() -> Placed:
            async with network.contract() as contract:
                placed = await _made(contract)
            await fetch(network.user("regulator"), folder / "blocks")
            return placed

        placed = asyncio.run(live())
        assert len(list(read_blocks(folder / "blocks"))) > max(block for block, _ in placed.values())
        yield open_ledger(network.run, folder / "blocks"), placed


def audited(ledger: Ledger, chain: Chain) -> Verdict:
    """Audit a chain whose transactions are all of contracts that are not the rules."""
    auditor = Auditor(State(":memory:"), chaincode="rules", pinned=header_hash(ledger.chain[0].header).hex())
    for block in chain:
        auditor.feed(block)
    return auditor.verdict()


def place(chain: Chain, placed: tuple[int, str]) -> tuple[int, int]:
    """Return block and index of a transaction."""
    block, txid = placed
    (index,) = [i for i, raw in enumerate(chain[block].data.data) if txid.encode() in raw]
    return block, index


def test_an_honest_ledger_passes(guarded: tuple[Ledger, Placed]) -> None:
    ledger, _ = guarded
    verdict = audited(ledger, ledger.chain)
    assert (verdict.failures, verdict.warnings) == ([], [])
    assert verdict.height == len(ledger.chain)
    assert verdict.held["FL5030"] == verdict.transactions
    assert verdict.held["FL5031"] == len(ledger.chain) - 1


@pytest.mark.parametrize(
    ("name", "by"),
    [
        ("by its owner", [B, C, D]),
        ("policy by its owner", [B, C, D]),
        ("by the next owner", [A, C, D]),
        ("free again", [B]),
        ("collection by its endorser", [B, C, D]),
        ("private by its owner", [A, B, C]),
        ("once it ended", [A]),
        ("brief again", [A]),
        ("call", [A]),
        ("call with it", [A, B, C]),
        ("call sets policy", [D]),
    ],
)
def test_endorsements_that_a_policy_does_not_ask_for_are_found(
    guarded: tuple[Ledger, Placed], name: str, by: list[str]
) -> None:
    ledger, placed = guarded
    chain = copy_chain(ledger.chain)
    block, index = place(chain, placed[name])
    opened = Opened.of(chain[block].data.data[index])
    opened.endorse([ledger.peer(ledger.members[msp_id]) for msp_id in by])
    chain[block].data.data[index] = opened.close(ledger.creator(opened))
    reseal(chain, block, ledger.orderers)
    found = audited(ledger, chain).failures[0]
    assert (found.code, found.block) == (Rule.VALIDATION_CODE, block)
    assert "recorded VALID (0), recomputed ENDORSEMENT_POLICY_FAILURE (10)" in found.text


@pytest.mark.parametrize(
    "name", ["by all others", "collection by the other", "private by all others", "call without it"]
)
def test_what_a_policy_refused_and_is_recorded_as_valid_is_found(guarded: tuple[Ledger, Placed], name: str) -> None:
    ledger, placed = guarded
    chain = copy_chain(ledger.chain)
    block, index = place(chain, placed[name])
    assert chain[block].metadata.metadata[TRANSACTIONS_FILTER][index] == REFUSED
    flag(chain[block], index, VALID)
    chain[block].metadata.metadata[COMMIT_HASH] = b""
    found = audited(ledger, chain).failures[0]
    assert (found.code, found.block) == (Rule.VALIDATION_CODE, block)


@pytest.mark.parametrize("name", ["by its owner", "private by its owner", "once it ended", "call with it"])
def test_what_a_policy_let_pass_and_is_recorded_as_refused_is_found(guarded: tuple[Ledger, Placed], name: str) -> None:
    ledger, placed = guarded
    chain = copy_chain(ledger.chain)
    block, index = place(chain, placed[name])
    flag(chain[block], index, REFUSED)
    found = audited(ledger, chain).failures[0]
    assert (found.code, found.block) == (Rule.VALIDATION_CODE, block)
