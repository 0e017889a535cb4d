"""The tumour example for robust groups: every hospital's update weighs the same, and none is dropped for its size.

fedledger plan runtime install jax
fedledger plan build fl_node/examples/tumour_groups.py --framework jax -o tumour-groups.flplan
"""

import keras

from fl_node.examples.tumour_jax import SCHEMA, network
from fl_node.plan.jax.training import Training, accuracy, sgd
from fl_node.plan.manifest import Batching, Quantisation


def plan() -> Training:
    """Describes the plan."""
    return Training(
        name="tumour-groups",
        model=network(),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics={"accuracy": accuracy},
        optimiser=sgd(0.05),
        schema=SCHEMA,
        batching=Batching(batch=8, epochs=3, holdout_percent=20),
        quantisation=Quantisation(bits=18, clip="4"),
        cohort_max=24,
        contribution=5,
    )
