"""A resumed audit stands on nothing that changed: neither blocks that it verified earlier nor its own state."""

import shutil
import sqlite3
from pathlib import Path

import pytest

from audit.evidence.fetch import FetchError, block_path
from audit.fabric.state import State
from audit.fabric.wire import COMMIT_HASH, header_hash
from audit.verify.replay import ComparedState, Replayer, UncomparedError
from audit.verify.run import Options, rules_program, state_path, verify_folder
from audit.verify.verdict import Rule, Unchecked, Verdict
from tests.auditor.auditing import without_commit_hashes
from tests.auditor.corpus import Ledger
from tests.auditor.forge import copy_chain, flip, reseal
from tests.auditor.test_hostile import write_chain
from tests.auditor.unchecked_corpus import Case, hide

TABLES = {
    "state": ("ns", "coll", "key", "value", "block", "tx", "policy"),
    "expiries": ("due", "ns", "coll", "key", "block"),
    "txids": ("txid", "block"),
    "meta": ("name", "value"),
    "events": ("block", "tx", "txid", "time_ms", "msp", "name", "payload"),
    "notes": ("kind", "code", "block", "txid", "text", "reason"),
}


@pytest.fixture(scope="module")
def audited(federation_ledger: Ledger, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Verdict]:
    """A folder of blocks, the state that its audit left, and the verdict."""
    folder = write_chain(federation_ledger.chain, tmp_path_factory.mktemp("resumed") / "chain")
    state = folder.parent / "state"
    return folder, state, verify_folder(folder, state, options(federation_ledger))


@pytest.fixture
def resumed(audited: tuple[Path, Path, Verdict], tmp_path: Path) -> tuple[Path, Path]:
    """A copy of blocks and state, for a second run."""
    state = tmp_path / "state"
    shutil.copy(audited[1], state)
    return Path(shutil.copytree(audited[0], tmp_path / "chain")), state


def options(ledger: Ledger, **changes: bool) -> Options:
    return Options(chaincode=ledger.chaincode, genesis=header_hash(ledger.chain[0].header).hex(), **changes)


def look(folder: Path, state: Path, asked: Options) -> tuple[str, str]:
    """Audit once more; returns the verdict and the first failure's code, or the error's code."""
    try:
        verdict = verify_folder(folder, state, asked)
    except FetchError as error:
        return "error", error.code
    return verdict.word, verdict.failures[0].code if verdict.failures else ""


def test_a_resumed_audit_says_what_the_first_said(
    federation_ledger: Ledger, audited: tuple[Path, Path, Verdict], resumed: tuple[Path, Path]
) -> None:
    assert verify_folder(*resumed, options(federation_ledger)).as_json() == audited[2].as_json()


@pytest.mark.parametrize("number", [0, 1, 7, 20, -1])
@pytest.mark.parametrize("part", ["number", "header", "data", "signatures", "flags"])
def test_one_bit_of_a_block_verified_earlier_is_found(
    federation_ledger: Ledger, resumed: tuple[Path, Path], number: int, part: str
) -> None:
    folder, state = resumed
    block = copy_chain([federation_ledger.chain[number]])[0]
    path = block_path(folder, block.header.number)
    entries = block.metadata.metadata
    if part in {"signatures", "flags"} and block.header.number == 0:
        pytest.skip("nobody signs or validates the genesis block")
    if part == "number":
        block.header.number ^= 1 << 40
    elif part == "header":
        block.header.data_hash = flip(block.header.data_hash)
    elif part == "data":
        block.data.data[0] = flip(block.data.data[0], at=len(block.data.data[0]) // 3)
    elif part == "signatures":
        entries[0] = flip(entries[0], at=len(entries[0]) // 2)
    else:
        entries[2] = flip(entries[2], at=0)
    path.write_bytes(block.SerializeToString())
    said, code = look(folder, state, options(federation_ledger))
    assert said in {"FAILED", "error"}, code


def test_any_byte_of_any_block_verified_earlier_is_judged_as_if_it_were_read_for_the_first_time(
    federation_ledger: Ledger, resumed: tuple[Path, Path]
) -> None:
    folder, state = resumed
    kept = state.read_bytes()
    for number in range(0, len(federation_ledger.chain), 6):
        path = block_path(folder, number)
        whole = path.read_bytes()
        path.write_bytes(flip(whole, bit=number % 8, at=len(whole) * (number % 5 + 1) // 6))
        state.write_bytes(kept)
        fresh = look(folder, state.with_name("fresh"), options(federation_ledger, fresh=True))
        assert look(folder, state, options(federation_ledger)) == fresh
        path.write_bytes(whole)


def test_a_block_verified_earlier_that_is_gone_is_missed(federation_ledger: Ledger, resumed: tuple[Path, Path]) -> None:
    block_path(resumed[0], 9).unlink()
    assert look(*resumed, options(federation_ledger)) == ("FAILED", Rule.ORDER.value)


FILLED = [table for table in TABLES if table != "expiries"]
"""The tables that have rows: no private data of this ledger ends."""
COLUMNS = [(table, name) for table in FILLED for name in TABLES[table]]


def test_the_table_of_columns_is_whole(resumed: tuple[Path, Path]) -> None:
    with sqlite3.connect(resumed[1]) as book:
        tables = [name for (name,) in book.execute("select name from sqlite_master where type='table'")]
        assert {t: tuple(row[1] for row in book.execute(f"pragma table_info({t})")) for t in tables} == TABLES


def test_an_end_of_private_data_that_no_block_gave_is_named(
    federation_ledger: Ledger, resumed: tuple[Path, Path]
) -> None:
    with sqlite3.connect(resumed[1]) as book:
        book.execute("insert into expiries values(1000, 'fedledger', 'a', x'61', 1)")
    assert look(*resumed, options(federation_ledger)) == ("error", "FL5107")


@pytest.mark.parametrize(("table", "column"), COLUMNS)
def test_one_changed_value_of_the_audits_own_state_is_named(
    federation_ledger: Ledger, resumed: tuple[Path, Path], table: str, column: str
) -> None:
    with sqlite3.connect(resumed[1]) as book:
        rows = book.execute(f"select {column} from {table}").fetchall()
        value = rows[len(rows) // 2][0]
        other = value + 1_000_003 if isinstance(value, int) else value + (b"x" if isinstance(value, bytes) else "x")
        one = {"meta": "name='height'", "txids": "txid=(select min(txid) from txids)"}.get(table, "rowid=1")
        if table == "state":
            one = "(ns, coll, key)=(select ns, coll, key from state order by ns, coll, key limit 1)"
        changed = book.execute(f"update {table} set {column}=? where {one}", (other,)).rowcount
    assert changed == 1
    assert look(*resumed, options(federation_ledger)) == ("error", "FL5107")


@pytest.mark.parametrize("table", FILLED)
def test_a_row_taken_out_of_the_audits_own_state_is_named(
    federation_ledger: Ledger, resumed: tuple[Path, Path], table: str
) -> None:
    with sqlite3.connect(resumed[1]) as book:
        spare = " where name in (select max(name) from meta where name!='made_for')" if table == "meta" else ""
        assert book.execute(f"delete from {table}{spare}").rowcount
    assert look(*resumed, options(federation_ledger)) == ("error", "FL5107")


def test_one_flipped_byte_of_the_state_file_changes_no_verdict_unnamed(
    federation_ledger: Ledger, audited: tuple[Path, Path, Verdict], resumed: tuple[Path, Path]
) -> None:
    folder, state = resumed
    whole, outcomes = state.read_bytes(), []
    for place in range(1, 60):
        state.write_bytes(flip(whole, bit=place % 8, at=len(whole) * place // 60))
        for suffix in ("-wal", "-shm"):
            Path(f"{state}{suffix}").unlink(missing_ok=True)
        outcomes.append(look(folder, state, options(federation_ledger)))
    assert set(outcomes) == {("error", "FL5107"), (audited[2].word, "")}
    assert outcomes.count(("error", "FL5107")) > len(outcomes) // 3


def test_an_audit_without_the_rules_seeds_no_later_one_with_them(
    federation_ledger: Ledger, resumed: tuple[Path, Path]
) -> None:
    folder, state = resumed
    chain = copy_chain(federation_ledger.chain)
    without_commit_hashes(chain)
    block = hide(federation_ledger, chain, Case())
    write_chain(chain, folder)
    bare = verify_folder(folder, state, options(federation_ledger, replay=False, fresh=True))
    assert not bare.decided
    book = State(state)
    with pytest.raises(UncomparedError):
        ComparedState.of(book, federation_ledger.chaincode)
    book.close()
    verdict = verify_folder(folder, state, options(federation_ledger))
    assert (verdict.failures[0].code, verdict.failures[0].block) == (Rule.REPLAY_WRITES.value, block)


def test_blocks_that_were_read_without_the_rules_after_others_with_them_are_read_again(
    federation_ledger: Ledger, tmp_path: Path
) -> None:
    """The earlier run had the rules, so that its state says so; the forged block came in a run without."""
    chain = copy_chain(federation_ledger.chain)
    without_commit_hashes(chain)
    block = hide(federation_ledger, chain, Case())
    folder, state = tmp_path / "chain", tmp_path / "state"
    write_chain(chain[:block], folder)
    assert verify_folder(folder, state, options(federation_ledger)).ok
    write_chain(chain, folder)
    assert verify_folder(folder, state, options(federation_ledger, replay=False)).ok
    verdict = verify_folder(folder, state, options(federation_ledger))
    assert (verdict.failures[0].code, verdict.failures[0].block) == (Rule.REPLAY_WRITES.value, block)
    assert Unchecked.RULES_NOT_RUN not in [finding.reason for finding in verdict.unchecked]


def test_the_rules_start_from_no_state_that_nobody_compared() -> None:
    state = State(":memory:")
    with pytest.raises(TypeError):
        ComparedState(state.entries("fedledger"), object())
    state.apply_uncompared()
    with pytest.raises(UncomparedError):
        ComparedState.of(state, "fedledger")
    state.mark_compared()
    with Replayer(rules_program(), ComparedState.of(state, "fedledger")) as replayer:
        assert replayer.query("c", "TotalSupply", {}) == {"total_supply": 0}


def test_a_history_that_differs_from_the_one_verified_earlier_is_a_fork(
    federation_ledger: Ledger, resumed: tuple[Path, Path]
) -> None:
    folder, state = resumed
    chain = copy_chain(federation_ledger.chain)
    chain[-1].metadata.metadata[COMMIT_HASH] = b""
    chain[-1].data.data.append(chain[-2].data.data[0])
    chain[-1].metadata.metadata[2] += bytes([9])  # DUPLICATE_TXID: the block is right by every other rule
    reseal(chain, len(chain) - 1, federation_ledger.orderers)
    write_chain(chain, folder)
    assert look(folder, state.with_name("new"), options(federation_ledger))[1] == ""
    verdict = verify_folder(folder, state, options(federation_ledger))
    assert [(f.code, f.block) for f in verdict.failures] == [(Rule.REWRITTEN.value, len(chain) - 1)]
    again = verify_folder(folder, state, options(federation_ledger))
    assert again.failures == verdict.failures
    assert verify_folder(folder, state, options(federation_ledger, fresh=True)).failures == []


def test_a_state_lies_where_nobody_who_gives_blocks_can_put_one(tmp_path: Path) -> None:
    assert not state_path(tmp_path, None).is_relative_to(tmp_path)
