"""Nodes and blob services of an earlier commit: today's say and answer the same, over the wire, header by header."""

import json
from pathlib import Path
from typing import Any

from fl_node.blobs import tls
from fl_node.blobs.client import BlobClient
from fl_node.blobs.service import serve
from fl_node.blobs.store import BlobStore
from network.topology import Consortium
from tests.believing import channel_of
from tests.kept.blobs.exchange import OWNER, Noting, converse
from tests.unit.blobs.test_service import client_context

KEPT = Path(__file__).parents[2] / "kept" / "blobs" / "exchange.json"


async def test_todays_conversation_with_a_blob_service_is_that_of_the_earlier_commit(
    run: Path, consortium: Consortium, tmp_path: Path
):
    """So an earlier node understands today's service, and today's node an earlier service."""
    owner, notes = consortium.organisation(OWNER), list[dict[str, Any]]()
    service = Noting(BlobStore(tmp_path), tls.Trust(lambda: consortium, channel_of(run))).noted_in(notes)
    assert owner.blob_port
    runner = await serve(service, owner.host, owner.blob_port, tls.serving(run, OWNER, channel_of(run)))
    urls = {OWNER: f"https://{owner.host}:{owner.blob_port}"}
    try:
        async with (
            BlobClient(urls, client_context(run, "hospital-b")) as member,
            BlobClient(urls, client_context(run, "regulator")) as regulator,
        ):
            await converse(member, regulator)
    finally:
        await runner.cleanup()
    assert notes == json.loads(KEPT.read_text())
