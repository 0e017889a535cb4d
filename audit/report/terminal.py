"""A verdict for people at a terminal."""

from rich.table import Table
from rich.text import Text

from audit.text import visible
from audit.verify.verdict import TITLES, Finding, Rule, Verdict
from network.console import out

MOST_SHOWN = 20


def show(verdict: Verdict) -> None:
    """Print a verdict for people: the verdict in its first line, then what holds, what fails, what was not checked."""
    colour = "red" if not verdict.ok else "yellow" if verdict.unchecked else "green"
    out.print(f"Verdict: [{colour}]{verdict.word}[/{colour}]")
    counted = f"{verdict.height} blocks, each signed by {verdict.signed}, {verdict.transactions} transactions"
    about = Text(f"{visible(verdict.channel)}: {counted}")
    table = Table("rule", "", "held", title=about)
    for rule in Rule:
        failed = sum(f.code == rule.value for f in (*verdict.failures, *verdict.warnings))
        if rule.value in verdict.held or failed:
            mark = f"[red]{failed} failed[/red]" if failed else "[green]holds[/green]"
            table.add_row(TITLES[rule], mark, str(verdict.held.get(rule.value, 0)))
    out.print(table)
    for spent in verdict.privacy:
        out.print(f"Privacy: {visible(spent.text)}", markup=False, highlight=False)
    for title, findings, colour in (
        ("Failures", verdict.failures, "red"),
        ("Warnings", verdict.warnings, "yellow"),
        ("Not checked", verdict.unchecked, "cyan"),
    ):
        _show_findings(title, findings, colour)


def _show_findings(title: str, findings: list[Finding], colour: str) -> None:
    if not findings:
        return
    out.print(f"[{colour}]{title} ({len(findings)})[/{colour}]")
    for finding in findings[:MOST_SHOWN]:
        place = f"block {finding.block}" if finding.block >= 0 else "chain"
        txid = f", transaction {visible(finding.txid[:16])}" if finding.txid else ""
        out.print(f"  {finding.code} {place}{txid}: {visible(finding.text)}", markup=False, highlight=False)
    if len(findings) > MOST_SHOWN:
        out.print(f"  … and {len(findings) - MOST_SHOWN} more; --json shows all")
