"""The stable codes of plan errors (FL30xx), each with the mend that fits it."""

from typing import Final

from network.errors import FedledgerError


class PlanError(FedledgerError):
    """A plan, a state or the runtime that executes them is refused or failed."""


CATALOGUE: Final[dict[str, tuple[str, str]]] = {
    # The file.
    "FL3001": ("plan file damaged", "Fetch the plan again, or build it again from its source."),
    "FL3002": ("plan digest differs", "Only the plan that the consortium voted on may run: fetch it by its digest."),
    "FL3003": ("manifest invalid", "Build the plan again with this version of fedledger."),
    "FL3004": ("other TensorFlow Federated", "Install the version that the plan names, or build the plan again."),
    # What the compiler refuses.
    "FL3005": ("op not allowed", "Replace the op; fl_node/plan/allowed_ops.txt lists what nodes run."),
    "FL3006": ("random or clock op in prepare or update", "Draw in the client's work or at initialisation only."),
    "FL3007": (
        "client output outside secure sums",
        "Use secure aggregators throughout, e.g. metrics_aggregator=tff.learning.metrics.secure_sum_then_finalize.",
    ),
    "FL3008": ("sum overflows its slot", "Use fewer bits, a wider integer type or a smaller cohort_max."),
    "FL3009": ("unsupported type", "Use booleans, integers, floats or strings of fully known shape."),
    "FL3010": ("schema does not fit", "Make the schema's encoded width and label agree with the model's input."),
    "FL3011": ("modulus is no power of two", "Use a modular sum over 2^b."),
    "FL3012": ("plan source unusable", "Name a file and a function that returns a PlanSource or an iterative process."),
    "FL3013": (
        "process cannot be split",
        "A round must be broadcast, client work, sums, update: see TFF's MapReduceForm.",
    ),
    "FL3014": ("self-check failed", "Check that work fits the declared ranges on data that fits the schema."),
    # States, updates and aggregates.
    "FL3020": ("state blob invalid", "Fetch the state again by its digest; it must be one that this plan made."),
    "FL3021": ("states differ", "Do not attest; run the update again from the last attested state."),
    "FL3022": ("state not finite", "The training diverged: lower the learning rate or the clipping norm."),
    "FL3030": ("work outside its slot", "The local training diverged or the data is off: inspect it, then sit out."),
    "FL3031": ("aggregate of wrong size", "The bytes must follow the plan's layout."),
    "FL3032": ("aggregate outside its range", "Do not attest: no honest survivors produce this sum."),
    "FL3033": ("one-slot differs from survivors", "Do not attest: a survivor is missing or counted twice."),
    # The child process.
    "FL3040": ("runtime died", "It is started again at the next call; its log tells why it died."),
    "FL3041": ("runtime timed out", "Allow more time, or give the node a faster machine."),
    "FL3042": ("runtime failed", "The runtime's log has the whole story."),
}
"""Code → (name, mend)."""


def plan_error(code: str, message: str, where: str = "", hint: str = "") -> PlanError:
    """Builds a plan error with its catalogued mend (or a closer one)."""
    return PlanError(code, message, where=where, hint=hint or CATALOGUE[code][1])
