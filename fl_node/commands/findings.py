"""How a doctor's findings are shown, for people and for machines."""

from collections.abc import Sequence
from typing import Final

import typer
from rich.table import Table

from fl_node.commands.common import emit_json, out
from fl_node.doctor.findings import Finding

EXIT_FINDINGS: Final = 4
"""Exit code of a doctor that found something to mend."""
COLOURS: Final = {"ok": "green", "warning": "yellow", "error": "red"}


def show_findings(findings: Sequence[Finding], *, as_json: bool) -> None:
    """Show what a doctor found; exit code 4 where something is to be mended."""
    if as_json:
        emit_json([finding.as_json() for finding in findings])
    else:
        table = Table("check", "", "what", "mend")
        for f in findings:
            table.add_row(f.check, f"[{COLOURS[f.status]}]{f.status}[/]", f"{f.code} {f.message}".strip(), f.mend)
        out.print(table)
    if any(finding.status == "error" for finding in findings):
        raise typer.Exit(EXIT_FINDINGS)
