"""Times the stage "collect masked vectors" of Flower's SecAgg+ client, by Flower's own function and interpreter.

PYTHON benchmarks/masking_flower.py COHORT SLOTS REPEAT
"""

import importlib
import json
import logging
import os
import sys
import time
from importlib.metadata import version
from typing import Any

import numpy as np
from flwr.common import ConfigRecord, ndarrays_to_parameters
from flwr.common.secure_aggregation.crypto.symmetric_encryption import encrypt, generate_shared_key
from flwr.common.secure_aggregation.secaggplus_constants import Key
from flwr.common.secure_aggregation.secaggplus_utils import share_keys_plaintext_concat
from flwr.supercore.primitives.asymmetric import (
    bytes_to_private_key,
    bytes_to_public_key,
    generate_key_pairs,
    private_key_to_bytes,
    public_key_to_bytes,
)

# The package re-exports a function under the module's name.
client = importlib.import_module("flwr.client.mod.secure_aggregation.secaggplus_mod")


def pair() -> tuple[bytes, bytes]:
    secret, public = generate_key_pairs()
    return private_key_to_bytes(secret), public_key_to_bytes(public)


def prepared(cohort: int) -> tuple[Any, ConfigRecord]:
    """A client in the middle of its cohort that has everyone's keys and sealed shares."""
    state, own = client.SecAggPlusState(), cohort // 2
    state.nid, state.threshold, state.rd_seed = own, 2 * cohort // 3 + 1, os.urandom(32)
    state.clipping_range, state.target_range, state.mod_range, state.max_weight = 8.0, 1 << 16, 1 << 32, 1000.0
    (state.sk1, _), (state.sk2, _) = pair(), pair()
    state.public_keys_dict, state.ss2_dict, state.rd_seed_share_dict, state.sk1_share_dict = {}, {}, {}, {}
    sources, sealed = [], []
    for node in range(cohort):
        first, second = pair()[1], pair()[1]
        state.public_keys_dict[node] = (first, second)
        if node != own:
            key = generate_shared_key(bytes_to_private_key(state.sk2), bytes_to_public_key(second))
            state.ss2_dict[node] = key
            sources.append(node)
            sealed.append(encrypt(key, share_keys_plaintext_concat(node, own, bytes(36), bytes(260))))
    return state, ConfigRecord({Key.CIPHERTEXT_LIST: sealed, Key.SOURCE_LIST: sources})


def main() -> None:
    cohort, slots, repeat = (int(argument) for argument in sys.argv[1:])
    logging.getLogger("flwr").setLevel(logging.ERROR)
    state, record = prepared(cohort)
    parameters = ndarrays_to_parameters([np.random.default_rng(1).normal(size=slots).astype(np.float32)])
    times = []
    for _ in range(repeat):
        start = time.process_time()
        client._collect_masked_vectors(state, record, 1000, parameters)  # noqa: SLF001 - the step itself, nothing around it
        times.append(time.process_time() - start)
    json.dump({"version": version("flwr"), "seconds": min(times)}, sys.stdout)


if __name__ == "__main__":
    main()
