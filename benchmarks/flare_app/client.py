"""A client of NVIDIA FLARE that answers at once and writes down when each round's model came."""

import argparse
import time
from pathlib import Path

import nvflare.client as flare


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--times", type=Path)
    times = parser.parse_args().times
    flare.init()
    with (times / flare.get_site_name()).open("w", buffering=1) as said:
        while flare.is_running():
            model = flare.receive()
            if model is None:
                break
            said.write(f"{time.monotonic()}\n")
            flare.send(flare.FLModel(params={name: values + 1 for name, values in model.params.items()}))


if __name__ == "__main__":
    main()
