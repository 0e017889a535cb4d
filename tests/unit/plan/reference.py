"""Run once a test session, in a process of its own: builds every plan and runs the same processes with TFF itself.

    python tests/unit/plan/reference.py OUT

Writes OUT/<name>.flplan, OUT/rows/<i>.csv, OUT/<name>.<round>.state (what `process.next` gave on the survivors' data)
and OUT/report.json: metrics per round, the refusals, and the seconds each compilation took.
"""

import csv
import json
import os
import sys
import time
import traceback
from pathlib import Path

import numpy as np
import tensorflow as tf
import tensorflow_federated as tff

import fl_node.examples
from fl_node.data.examples import load_examples
from fl_node.plan.state_codec import encode_state
from fl_node.plan.tff.aggregation import _decoder, _encoder
from fl_node.plan.tff.compile import SEED, build_plan, compile_source, first_state, split_process
from fl_node.plan.tff.execute import client_data, leaves, metric_names
from fl_node.plan.tff.structure import flatten, pack, tensor_types
from network.errors import FedledgerError
from tests.unit.plan import bad_sources, sources

EXAMPLES = Path(fl_node.examples.__file__).parent
SURVIVORS = ([0, 1, 2, 3], [0, 2, 3], [1, 2, 3])
ROWS = (9, 30, 17, 24)


def main(out: Path) -> None:
    tff.backends.test.set_sync_test_cpp_execution_context()
    paths = [write_rows(out / "rows" / f"{at}.csv", at, rows) for at, rows in enumerate(ROWS)]
    report = {"good": {}, "refused": {}, "survivors": SURVIVORS}
    for function in sources.GOOD:
        rounds = SURVIVORS[:1] if function in {sources.stock, sources.adaptive, sources.statistics} else SURVIVORS
        report["good"][function.__name__] = follow(out, function, paths, rounds)
    for function in bad_sources.REFUSED:
        report["refused"][function.__name__] = refusal(function)
    report["too deep"] = refusal(bad_sources.deep)
    report["means"] = {name: mean_of(*case) for name, case in sources.MEANS.items()}
    for example in ("tumour", "digits"):
        (out / f"{example}.flplan").write_bytes(build_plan(EXAMPLES / f"{example}.py", "plan", "upb"))
    (out / "alike.flplan").write_bytes(compile_source(bad_sources.alike()))
    (out / "drawing.flplan").write_bytes(compile_source(bad_sources.drawing()))
    file = split_process(bad_sources.file_in_work().process).work
    (out / "reads_a_file.pb").write_bytes(tff.framework.serialize_computation(file).SerializeToString())
    (out / "report.json").write_text(json.dumps(report))


def write_rows(path: Path, seed: int, rows: int) -> Path:
    draw = np.random.default_rng(seed)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["a", "b", "c", "kind"])
        for features in draw.normal(size=(rows, 3)).round(3).tolist():
            writer.writerow([*features, "yes" if sum(features) > 0 else "no"])
    return path


def follow(out: Path, function, paths, rounds):
    tf.keras.utils.set_random_seed(SEED)
    source = function()
    started = time.perf_counter()
    raw = compile_source(source)
    seconds = time.perf_counter() - started
    (out / f"{function.__name__}.flplan").write_bytes(raw)
    return {"compile_seconds": seconds, "metrics": course(out, source, paths, rounds, function.__name__)}


def course(out: Path, source, paths, course_of, name: str):
    result = source.process.next.type_signature.result
    state_type, metrics_type = (member.member for member in (result[0], result[1]))
    data_type = source.process.next.type_signature.parameter[1].member
    examples = [load_examples(path, source.schema, source.batching.holdout_percent) for path in paths]
    state = pack([leaf.array for leaf in first_state(source.process)], state_type)
    rounds = []
    for number, survivors in enumerate(course_of, start=1):
        data = [client_data(*examples[at], source.batching, data_type) for at in survivors]
        following, metrics = tuple(tff.structure.from_container(source.process.next(state, data)))
        arrays = flatten(following, state_type)
        state = pack(arrays, state_type)
        (out / f"{name}.{number}.state").write_bytes(encode_state(leaves(arrays, state_type)))
        names = ["/".join(path) for path, _ in tensor_types(metrics_type)]
        values = dict(zip(names, flatten(metrics, metrics_type), strict=True))
        rounds.append({key: float(values[key]) for key in metric_names(metrics_type)})
    return rounds


def mean_of(quantisation, updates, weights):
    """Encodes each update, adds the integers, decodes: what the clients and the server do."""
    encode, update_type = _encoder(quantisation), tff.to_type((np.float32, [len(updates[0])]))
    encoded = [
        encode(tf.constant(x, tf.float32), tf.constant(w, tf.float32)) for x, w in zip(updates, weights, strict=True)
    ]
    summed = tf.nest.map_structure(lambda *parts: tf.add_n(parts), *encoded)
    mean = _decoder(quantisation, update_type)(summed)
    return {"mean": mean.numpy().tolist(), "slots": [one["value"].numpy().tolist() for one in encoded]} | {
        name: int(summed["metric"][name]) for name in ("clipped", "zeroed")
    }


def refusal(function):
    try:
        build_plan(Path(bad_sources.__file__), function.__name__, "upb")
    except FedledgerError as error:
        return error.as_json()
    return {"code": "none"}


if __name__ == "__main__":
    code = 1
    try:
        main(Path(sys.argv[1]))
        code = 0
    except Exception:  # noqa: BLE001 - printed, and the exit code says it
        traceback.print_exc()
    finally:
        # TFF's exit hook may wait for its helper process for ever; the fixture ends the whole process group.
        sys.stderr.flush()
        os._exit(code)
