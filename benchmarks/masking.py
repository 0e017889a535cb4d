"""What masking an update costs one participant, beside raw AES-256-CTR and Flower's own SecAgg+ client step.

    python benchmarks/masking.py [--cohort N] [--slots D] [--flower PYTHON] [--repeat K]

Prints one JSON object. Flower is measured by its own code in another interpreter (a virtual environment with `flwr`);
without one the figures say so. Times are CPU seconds on one thread, the best of K repetitions on either side, so that a
busy machine disturbs them little; `mask_wall_seconds` is wall time. `load` is the machine's load. Masks' keystreams are
made by GCM, which is faster than CTR where the processor has wide AES instructions: `raw_gcm_seconds` is that alone.
`upload` is all that a participant sends in a round, to one receiver: masked update, sealed shares, arguments of its
transactions. Goals stand in `goal`; what unmasking costs is in `benchmarks/aggregate.py`.
"""

import argparse
import hashlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from cryptography.hazmat.primitives.ciphers import CipherContext

from fl_node.canonical import canonical_json
from fl_node.secagg.dealing import deal_sealed, own_masks
from fl_node.secagg.keys import KeyPair, PublicKeys, Secrets
from fl_node.secagg.layout import Layout
from fl_node.secagg.masks import CHUNK, apply_masks, beyond_head, keystream
from fl_node.secagg.session import Session
from fl_node.secagg.simulation import session_of

CLIPPING = 8.0
BITS = 16
FLOWER = Path(__file__).with_name("masking_flower.py")


def layout_of(slots: int) -> Layout:
    segment = {"name": "model", "kind": "value", "word": 32, "ring": 32, "max": (1 << BITS) - 1, "slots": slots}
    return Layout.from_fields({"version": 1, "segments": [segment], "count": None})


def best(repeat: int, work: Callable[[], Any], clock: Callable[[], float] = time.process_time) -> float:
    times = []
    for _ in range(repeat):
        start = clock()
        work()
        times.append(clock() - start)
    return min(times)


def raw_aes(size: int, opener: Callable[[bytes], CipherContext] = keystream) -> None:
    """The machine's own speed: a keystream of that many bytes through one warm buffer."""
    zeros, out, context = bytes(CHUNK), bytearray(CHUNK), opener(bytes(32))
    for _ in range(0, size, CHUNK):
        context.update_into(zeros, out)


def quantize(update: np.ndarray) -> np.ndarray:
    """Clips to the range and scales to integers of `BITS` bits, as the plans' quantized mean does."""
    scaled = np.clip(update, -CLIPPING, CLIPPING)
    scaled += CLIPPING
    scaled *= ((1 << BITS) - 1) / (2 * CLIPPING)
    return np.rint(scaled, out=scaled).astype(np.uint32)


class Participant:
    """A participant that knows everyone's public keys."""

    def __init__(self, cohort: int, slots: int) -> None:
        self.session: Session = session_of(layout_of(slots), cohort)
        self.own = self.session.cohort[cohort // 2]
        self.secrets = Secrets.fresh(os.urandom)
        pairs = {name: KeyPair.of(os.urandom(32)).public for name in self.session.cohort}
        self.keys = {name: PublicKeys(key, key) for name, key in pairs.items()} | {self.own: self.secrets.public}

    def mask(self, words: np.ndarray) -> bytearray:
        """Key agreement with everyone, one keystream each and the own one, added into a copy."""
        vector = bytearray(self.session.layout.length)
        self.session.layout.segments[0].view(vector)[:] = words
        masks = own_masks(self.session, self.own, self.secrets, self.keys, self.session.cohort)
        apply_masks(vector, self.session.layout, masks)
        return vector

    def upload(self) -> int:
        """Bytes of the masked update, the sealed shares and the transactions' arguments of one round."""
        dealing = deal_sealed(self.session, self.own, self.secrets, self.keys, os.urandom)
        names, digest, public = len(self.session.cohort), dealing.keys.hex(), self.secrets.public
        proof = [digest, *(node.hex() for node in dealing.own.path)]
        share = {"dealer": self.own, "kind": "seed", "value": dealing.own.seed.hex(), "proof": proof}
        transactions = [
            {"seal_key": public.seal.hex(), "mask_key": public.mask.hex()},
            {"seed_commitment": digest, "shares_root": digest, "sealed": digest},
            {"digest": digest, "length": self.session.layout.length, "plan": digest, "base_state": digest},
            {"shares": [share] * names},
        ]
        return self.session.layout.length + len(dealing.bundle) + sum(len(canonical_json(one)) for one in transactions)


def flower(python: str | None, cohort: int, slots: int, repeat: int) -> dict[str, Any]:
    if not python:
        return {"absent": "give --flower PYTHON of an environment with flwr"}
    command = [python, str(FLOWER), str(cohort), str(slots), str(repeat)]
    try:
        run = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError as error:
        return {"absent": str(error)}
    if run.returncode:
        lines = run.stderr.strip().splitlines()
        return {"absent": lines[-1] if lines else f"exit code {run.returncode}"}
    return json.loads(run.stdout)


def measure(cohort: int, slots: int, repeat: int, python: str | None) -> dict[str, Any]:
    participant = Participant(cohort, slots)
    update = np.random.default_rng(1).normal(size=slots).astype(np.float32)
    words = quantize(update)
    size = cohort * slots * 4
    raw = best(repeat, lambda: raw_aes(size))
    mask = best(repeat, lambda: participant.mask(words))
    figures: dict[str, Any] = {
        "cohort": cohort,
        "slots": slots,
        "load": os.getloadavg()[0],
        "mask_seconds": mask,
        "mask_wall_seconds": best(repeat, lambda: participant.mask(words), time.perf_counter),
        "quantize_seconds": best(repeat, lambda: quantize(update)),
        "sha256_seconds": best(repeat, lambda: hashlib.sha256(bytes(4 * slots)).digest()),
        "raw_aes_seconds": raw,
        "raw_aes_bytes_per_second": size / raw,
        "raw_gcm_seconds": (gcm := best(repeat, lambda: raw_aes(size, beyond_head))),
        "fraction_of_raw_aes": raw / mask,
        "fraction_of_raw_gcm": gcm / mask,
        "update_over_packed": participant.session.layout.length / (slots * 4),
        "upload_over_packed": participant.upload() / (slots * 4),
        "flower": flower(python, cohort, slots, repeat),
    }
    if "seconds" in figures["flower"]:
        figures["flower_over_ours"] = figures["flower"]["seconds"] / (mask + figures["quantize_seconds"])
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cohort", type=int, action="append", help="participants (default 10, 100)")
    parser.add_argument("--slots", type=int, default=1_000_000)
    parser.add_argument("--repeat", type=int, default=15)
    parser.add_argument("--flower", help="Python interpreter of an environment with flwr")
    options = parser.parse_args()
    figures = [measure(n, options.slots, options.repeat, options.flower) for n in options.cohort or [10, 100]]
    if options.cohort is None and options.slots == 1_000_000:
        figures.append(measure(500, 100_000, options.repeat, options.flower))
    goal = {
        "fraction_of_raw_aes": "at least 0.7",
        "flower_over_ours": "at least 5",
        "upload_over_packed": "at most 1.05 (100 x 1000000)",
        "mask_seconds": "at most 0.15 (500 x 100000)",
    }
    json.dump({"figures": figures, "goal": goal, "python": sys.version.split()[0]}, sys.stdout, indent=2)
    print()


if __name__ == "__main__":
    main()
