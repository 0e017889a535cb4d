"""What ByzFL makes of vectors, for test_oracle.py: cases as JSON from standard input, results to standard output.

Runs in a Python that has `byzfl`, which needs PyTorch and other versions than this project pins. Its centred clipping
starts at zero, so that whoever asks takes the first centre away and adds it again.
"""

import json
import sys

import byzfl
import numpy as np


def made(case):
    vectors = np.array(case["vectors"], dtype=np.float64)
    match case["rule"]:
        case "median":
            return byzfl.Median()(vectors)
        case "trimmed_mean":
            return byzfl.TrMean(f=case["faulty"])(vectors)
        case "multi_krum":
            return byzfl.MultiKrum(f=case["faulty"])(vectors)
        case "centred_clipping":
            return byzfl.CenteredClipping(L=case["steps"], tau=float(case["radius"]))(vectors)


json.dump([list(map(float, made(case))) for case in json.load(sys.stdin)], sys.stdout)
