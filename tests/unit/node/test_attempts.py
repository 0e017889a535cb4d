"""A node that its own blob service knows better than its journal drops out."""

from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from fl_node.attempt import MASKED, SHARES
from fl_node.attempts import Attempts
from fl_node.blobstore import About, BlobStore
from fl_node.context import Context
from fl_node.journal import Journal
from fl_node.observe import Metrics
from fl_node.views import Training
from tests.unit.node.test_refusals import DIGEST, ROUND

TRAINING = Training.model_validate(
    {"training": "t", "plan": DIGEST, "rounds": 1, "cohort": 4, "head": {"round": 0, "state": DIGEST, "depth": 0}}
)


@pytest.mark.parametrize("kind", [SHARES, MASKED])
@pytest.mark.parametrize("recorded", [True, False])
def test_t6_shares_dealt_or_a_vector_masked_before_a_restored_journal_end_the_attempt(
    tmp_path: Path, kind: str, recorded: bool
):
    store = BlobStore(tmp_path / "blobs")
    store.put(b"sealed or masked", About("hospital-a", note=f"{ROUND.name} {kind}"))
    with Journal(tmp_path / "journal") as journal:
        if recorded:
            journal.attempt("t", 1, 1).record(kind, b"1")
        context = SimpleNamespace(
            config=SimpleNamespace(organisation="hospital-a", data=tmp_path),
            consortium=SimpleNamespace(majority=3, members=range(4)),
            journal=journal,
            store=store,
            metrics=Metrics(),
            me="a",
            msp="aMSP",
        )
        own = Attempts(cast("Context", context)).own(ROUND, TRAINING)
    assert own.dropped is not recorded
