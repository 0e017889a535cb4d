"""A member under its company's authorities takes part like any other."""

from tests.scenarios.federation import Federation
from tests.scenarios.rounds import Attempt


async def test_a_node_whose_certificate_has_a_chain_and_no_attribute_takes_part_in_a_round_that_ends_final(
    chained_federation: Federation,
) -> None:
    """The ledger knows a node by the key that was vetted: what the certificate must say is its unit alone."""
    federation = chained_federation
    await federation.ready(rounds=1)
    attempt = await Attempt.open(federation, "tumour")
    await attempt.keys_and_shares()
    await attempt.updates(())
    await attempt.unmask()
    await attempt.finish()
    assert "hospital-b" in (await attempt.view())["survivors"]
