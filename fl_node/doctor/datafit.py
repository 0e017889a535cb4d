"""Whether the node's data fits the plans that it is to be trained with."""

import asyncio

from fl_node import codes
from fl_node.blobs.store import BlobStore
from fl_node.data.profile import profile
from fl_node.errors import NodeError
from fl_node.ledger.client import Ledger, LedgerError
from fl_node.node.config import NodeConfig
from fl_node.node.readiness import check_data_exists
from fl_node.plan.container import load_plan
from fl_node.plan.frameworks import FRAMEWORKS
from network import contract_codes


async def check_data(config: NodeConfig, ledger: Ledger) -> str:
    """Read the node's rows with the schema of every plan in training, or of those that it was vetted for.

    Raises:
        FedledgerError: the plan or the data is refused, with file and row, or the plan's framework is not installed.
    """
    check_data_exists(config)
    if config.data is None:
        return "no data: this node holds blobs and attests"
    plans = await _in_training(config, ledger) or await _vetted_for(config, ledger)
    if not plans:
        return "no plan here yet to check the data against"
    rows = 0
    for plan in plans:
        path = BlobStore(config.blobs).path(plan)
        if not path.exists():
            hint = "A running node pulls it; otherwise ask who registered it."
            raise NodeError(codes.BLOB_MISSING, "the plan file is not in the blob folder", where=plan, hint=hint)
        manifest = load_plan(path, plan).manifest
        if own := FRAMEWORKS[manifest.framework].environment:
            own.require()
        found = await asyncio.to_thread(profile, config.data, manifest.schema_, manifest.batching.holdout_percent)
        rows = found.rows
    return f"{rows} rows fit {'the plan' if len(plans) == 1 else f'all {len(plans)} plans'}"


async def _in_training(config: NodeConfig, ledger: Ledger) -> list[str]:
    plans = sorted({training.plan for training in await ledger.trainings() if training.running})
    for plan in plans:
        if config.consent.plans and plan not in config.consent.plans:
            hint = "Consent to it with --plan, or let the node sit this training out."
            raise NodeError(
                codes.WRONG_PLAN_OR_BASE, "a plan in training is none that you consent to", where=plan, hint=hint
            )
    return plans


async def _vetted_for(config: NodeConfig, ledger: Ledger) -> list[str]:
    """Return the registered plans that are here, of the schema that the participant applied with; none before it has.

    A plan that no training uses may lack: a node that was started later has had no need to pull it.
    """
    try:
        schema = (await ledger.participant(config.name)).profile.schema_digest
    except LedgerError as error:
        if error.code != contract_codes.UNKNOWN_PARTICIPANT:
            raise
        return []
    plans = [item for item in await ledger.everything("ListPlans") if item["schema"] == schema and not item["retired"]]
    consented = config.consent.plans or {item["plan"] for item in plans}
    blobs = BlobStore(config.blobs)
    return sorted(item["plan"] for item in plans if item["plan"] in consented and blobs.path(item["plan"]).exists())
