"""`fedledger doctor`: check what an organisation runs, and how the others see it."""

import asyncio

import typer
from rich.table import Table

from fl_node.commands.common import DEFAULT_RUN, Json, Org, Run, emit_json, explained, out
from fl_node.doctor.findings import Finding
from fl_node.doctor.organisation import examine_organisation

EXIT_FINDINGS = 4
COLOURS = {"ok": "green", "warning": "yellow", "error": "red"}


def doctor(org: Org, run: Run = DEFAULT_RUN, as_json: Json = False) -> None:
    """Check keys, certificates, disk, clock, chaincode program and advertised addresses. Exit code 4 if anything."""

    async def collect() -> list[Finding]:
        return [finding async for finding in examine_organisation(run, org)]

    with explained(as_json=as_json):
        findings = asyncio.run(collect())
    if as_json:
        emit_json([finding.as_json() for finding in findings])
    else:
        table = Table("check", "", "what", "mend")
        for f in findings:
            table.add_row(f.check, f"[{COLOURS[f.status]}]{f.status}[/]", f"{f.code} {f.message}".strip(), f.mend)
        out.print(table)
    if any(finding.status == "error" for finding in findings):
        raise typer.Exit(EXIT_FINDINGS)
