"""`fedledger doctor`: check what an organisation runs, and how the others see it."""

import asyncio

from fl_node.commands.common import DEFAULT_RUN, Json, Org, Run, explained
from fl_node.commands.findings import show_findings
from fl_node.doctor.findings import Finding
from fl_node.doctor.organisation import examine_organisation


def doctor(org: Org, run: Run = DEFAULT_RUN, as_json: Json = False) -> None:
    """Check keys, certificates, disk, clock, chaincode program and advertised addresses. Exit code 4 if anything."""

    async def collect() -> list[Finding]:
        return [finding async for finding in examine_organisation(run, org)]

    with explained(as_json=as_json):
        findings = asyncio.run(collect())
    show_findings(findings, as_json=as_json)
