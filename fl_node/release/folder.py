"""A released model's folder: the model, its passport, what people and tools read beside them, a signature of all."""

from fedledger_passport.contents import STATE, subjects
from fedledger_passport.envelope import Envelope
from fl_node.ledger.client import Ledger
from fl_node.plan.container import read_plan
from fl_node.release.beginning import STATE_FILE
from fl_node.release.evidence import ReadBlob, all_files
from fl_node.release.model_signature import NAME as SIGNATURE
from fl_node.release.model_signature import model_signature
from fl_node.release.network_files import Network
from fl_node.release.papers import papers
from fl_node.release.trusted import own_chain

PASSPORT = "passport.json"


async def folder_of(
    ledger: Ledger,
    envelope: Envelope,
    name: str,
    read: ReadBlob,
    *,
    with_state: bool = False,
    network: Network | None = None,
) -> dict[str, bytes]:
    """Return the files of a released model, by name; the user of the ledger's connection signs the folder.

    Args:
        ledger: The connection.
        envelope: The passport.
        name: The folder's name.
        read: Reads the plan and the state.
        with_state: The state too, as who trains on may need it: a server's momentum, say, is in no other file.
        network: The source from which files were made, where the passport names such.

    Raises:
        NodeError: FL4516, the passport names a file that cannot be made here.
    """
    statement = envelope.statement
    digest = statement["predicate"]["plan"]["sha256"]
    plan = read_plan(await read(digest), digest)
    named = subjects(statement)
    state = await read(named.pop(STATE))
    files = await all_files(plan, state, named, network) | ({STATE_FILE: state} if with_state else {})
    files |= {PASSPORT: envelope.write()} | papers(envelope.digest, statement, plan)
    chain = await own_chain(ledger)
    return files | {SIGNATURE: model_signature(name, files, ledger.profile.signer, chain)}
