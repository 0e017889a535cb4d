"""The part of the story with noise: the ledger counts what every round tells of each participant."""

from fl_node.commands.train import told
from fl_node.demo.federation import Federation
from fl_node.demo.options import Options
from fl_node.demo.report import Report
from fl_node.demo.rounds import TRAINING
from network.rules import ACCOUNTS_SINCE


async def introduce(federation: Federation, options: Options, report: Report) -> None:
    """Say by which rules the ledger keeps accounts of ε, where the plan adds noise."""
    if options.epsilon is None:
        return
    with report.chapter("The ledger counts what every round tells", "accounts") as found:
        found["rules"] = rules = (await federation.first.query("GetFederation"))["rules"]
        assert rules >= ACCOUNTS_SINCE, "the definition names the version to begin under"
        report.say(f"by version {rules} of the rules, under which the federation was founded")


async def accounted(federation: Federation, options: Options, plan: str, report: Report) -> None:
    """Show each participant's account on the ledger, where the plan adds noise."""
    if options.epsilon is None:
        return
    with report.chapter("What the rounds have told, by the ledger's accounts", "privacy") as found:
        accounts = await told(federation.first, TRAINING, plan)
        assert accounts, "the plan was registered under rules that keep accounts"
        found.update(accounts)
        report.say(f"ε so far for every {found['unit']}, δ = {found['delta']}, of the {options.epsilon:g} planned for")
        report.table(("participant", "ε"), [(one["participant"], one["epsilon"]) for one in found["participants"]])
