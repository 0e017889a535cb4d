"""Runs plain averaging by NVIDIA FLARE's own recipe in its POC mode: a server and a client process each."""

import argparse
from pathlib import Path

import numpy as np
from nvflare.app_common.np.recipes.fedavg import NumpyFedAvgRecipe
from nvflare.recipe.poc_env import PocEnv


def main() -> None:
    parser = argparse.ArgumentParser()
    for name in ("participants", "slots", "rounds"):
        parser.add_argument(f"--{name}", type=int)
    parser.add_argument("--times", type=Path)
    arguments = parser.parse_args()
    start = arguments.times.parent / "start.npy"
    np.save(start, np.zeros(arguments.slots, np.float32))
    recipe = NumpyFedAvgRecipe(
        name="bench",
        initial_ckpt=str(start),
        min_clients=arguments.participants,
        num_rounds=arguments.rounds,
        train_script=str(Path(__file__).with_name("client.py")),
        train_args=f"--times {arguments.times}",
    )
    recipe.execute(PocEnv(num_clients=arguments.participants)).get_result()


if __name__ == "__main__":
    main()
