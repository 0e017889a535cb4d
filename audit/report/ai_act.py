"""The EU AI Act's articles on records, and what of them a federation's ledger answers.

Source: Regulation (EU) 2024/1689, articles 12, 18, 19 and 26. A table for orientation, not legal advice.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """What an article asks to be on record, where the ledger answers it and what it leaves open."""

    article: str
    asks: str
    answered: str
    queries: tuple[str, ...]
    missing: str


AI_ACT = (
    Row(
        "12(1)",
        "Automatic recording of events over the system's lifetime",
        "Every transaction of the training is an event in a signed block: Trainings, Models; Members and votes",
        ("ListRounds", "GetRound", "ListProposals"),
        "Events while the trained model is used; the ledger ends with the model.",
    ),
    Row(
        "12(2)(a)",
        "Events relevant for situations that may present a risk, or for a substantial modification",
        "Flags and exposure; changes of plan, parameters and rules, with the votes: Members and votes",
        ("ListFlags", "ListProposals", "GetParameters"),
        "Whether a flag is such a risk is for people to judge.",
    ),
    Row(
        "12(2)(b)",
        "Events that ease post-market monitoring (article 72)",
        "Metrics and survivors of each round, model lineage: Trainings, Models",
        ("GetRound", "GetLineage"),
        "Performance in use, complaints, incidents.",
    ),
    Row(
        "12(2)(c)",
        "Events for monitoring the operation (article 26(5))",
        "Only which model, by digest, was in force when: Trainings, Models",
        ("GetLineage",),
        "Operation itself happens off the ledger.",
    ),
    Row(
        "12(3)",
        "Periods of use, reference databases, matches and verifying persons, for remote biometric identification",
        "Nothing",
        (),
        "All of it.",
    ),
    Row(
        "18(1)",
        "Technical documentation, quality management and conformity documents kept for ten years",
        "Digests of plans, schemas and evidence with time and votes prove which document was meant",
        ("GetPlan", "GetParticipant", "ListProposals"),
        "The documents themselves and their keeping.",
    ),
    Row(
        "19(1)",
        "Automatically generated logs kept at least six months, as far as under the provider's control",
        "Blocks are kept by every organisation's peer, with no end: Retention",
        ("audit fetch", "audit verify"),
        "Logs of nodes and of the system in use; masked updates go after each node's own retention time.",
    ),
    Row(
        "26(5)",
        "Deployers monitor the operation and inform providers of risks and serious incidents",
        "Nothing",
        (),
        "All of it.",
    ),
    Row(
        "26(6)",
        "Deployers keep the logs of the system at least six months, as far as under their control",
        "A deployer that is a member holds the whole record of the training: Retention",
        ("audit fetch", "audit export"),
        "Logs of the system in use.",
    ),
)
