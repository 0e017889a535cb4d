"""Keys laid ready for the next attempt: drawn once, taken by the attempt that shows them, then forgotten."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fl_node.journal.journal import Journal
from fl_node.ledger.client import LedgerError
from fl_node.ledger.records import Round
from fl_node.round import ahead
from fl_node.round.recorded import KEYS, LAID
from fl_node.secagg.keys import PublicKeys, Secrets
from network import contract_codes
from tests.unit.round.chain import NAMES, VICTIM, Chain
from tests.unit.round.cohort import World, running
from tests.unit.round.test_checks import ROUND

ME = "a"


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with Journal(tmp_path / "journal", tmp_path / "journal.key") as made:
        yield made


def attempt(number: int, keys: PublicKeys | None = None, **fields: Any) -> Round:
    shown = {ME: {"seal_key": keys.seal.hex(), "mask_key": keys.mask.hex()}} if keys else {}
    raw = ROUND.model_dump() | {"round": number, "rules": 2, "depth": number, "keys": shown} | fields
    return Round.model_validate(raw)


def lay(journal: Journal, view: Round, rounds: int = 9) -> PublicKeys:
    keys = ahead.lay(journal, view, rounds)
    assert keys is not None
    return keys


def test_keys_are_drawn_once_for_an_attempt_also_over_a_restart(tmp_path: Path):
    drawn = []
    for _ in range(2):
        with Journal(tmp_path / "journal", tmp_path / "journal.key") as made:
            drawn.append(lay(made, attempt(1)))
    assert drawn[0] == drawn[1]


def test_the_attempt_that_shows_them_has_their_secrets_and_nothing_else_has(journal: Journal):
    keys = lay(journal, attempt(1))
    records = journal.attempt("t", 2, 1)
    ahead.adopt(journal, records, attempt(2, keys), ME)
    laid = records.get(LAID)
    assert laid is not None
    assert Secrets.decode(laid).public == keys
    assert records.get(KEYS) == keys.seal + keys.mask
    assert journal.ahead("t").kinds() == ()
    assert not list(journal.folder.glob("*.ahead.log"))


def test_keys_that_this_journal_did_not_draw_are_not_taken(journal: Journal):
    lay(journal, attempt(1))
    stranger = PublicKeys(b"\1" * 32, b"\2" * 32)
    records = journal.attempt("t", 2, 1)
    ahead.adopt(journal, records, attempt(2, stranger), ME)
    assert records.kinds() == ()


def test_an_attempt_with_keys_of_its_own_takes_none(journal: Journal):
    keys = lay(journal, attempt(1))
    records = journal.attempt("t", 2, 1)
    records.record(KEYS, b"its own")
    ahead.adopt(journal, records, attempt(2, keys), ME)
    assert records.kinds() == (KEYS,)


def test_what_an_attempt_had_no_use_for_is_replaced_at_the_next_reveal(journal: Journal):
    first = lay(journal, attempt(1))
    second = lay(journal, attempt(2))
    assert first != second
    assert len(journal.ahead("t").kinds()) == 1


@pytest.mark.parametrize(("fields", "rounds"), [({"rules": 1}, 9), ({}, 1)], ids=["version 1", "the last round"])
def test_none_are_laid_where_no_attempt_could_have_them(journal: Journal, fields: dict[str, Any], rounds: int):
    assert ahead.lay(journal, attempt(1, **fields), rounds) is None
    assert not list(journal.folder.glob("*.ahead.log"))


def test_a_file_that_cannot_be_read_keeps_nobody_from_revealing(tmp_path: Path):
    with Journal(tmp_path / "journal", tmp_path / "journal.key") as made:
        lost = lay(made, attempt(1))
    path = tmp_path / "journal" / "t.ahead.log"
    damaged = bytearray(path.read_bytes())
    damaged[-20] ^= 1
    path.write_bytes(damaged)
    with Journal(tmp_path / "journal", tmp_path / "journal.key") as made:
        ahead.adopt(made, made.attempt("t", 2, 1), attempt(2, lost), ME)
        assert made.attempt("t", 2, 1).kinds() == ()
        assert lay(made, attempt(2)) != lost


async def test_t5_keys_that_somebody_else_published_first_keep_no_reveal_from_the_ledger(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    taken, take = [], Chain.take

    def refusing(chain: Chain, who: str, function: str, arguments: dict[str, Any]) -> None:
        if who == VICTIM and "next" in arguments:
            taken.append(arguments["next"])
            raise LedgerError(contract_codes.KEY_REUSED, "published before")
        take(chain, who, function, arguments)

    monkeypatch.setattr(Chain, "take", refusing)
    world = World(tmp_path, laid=True)
    with running(world, monkeypatch):
        await world.run()
    assert len(taken) == 1
    assert "next" not in world.chain.records["reveals"][VICTIM]
    assert all("next" in world.chain.records["reveals"][name] for name in NAMES if name != VICTIM)
    assert not list((tmp_path / VICTIM / "journal").glob("*.ahead.log"))
