"""An app of Flower that does nothing but secure aggregation, by Flower's own SecAgg+ workflow and client mod."""

import json
import os
import time
from pathlib import Path
from typing import Any

import numpy as np
from flwr.client import NumPyClient
from flwr.client.mod import secaggplus_mod
from flwr.clientapp import ClientApp
from flwr.common import Context, ndarrays_to_parameters
from flwr.server import Grid, LegacyContext, ServerApp, ServerConfig
from flwr.server.strategy import FedAvg
from flwr.server.workflow import DefaultWorkflow, SecAggPlusWorkflow

server = ServerApp()


def settings(context: Context) -> dict[str, Any]:
    """Return the run's settings, which for the simulation engine stand in the environment."""
    return dict(context.run_config) or json.loads(os.environ["FEDLEDGER_BENCH"])


class Timed(SecAggPlusWorkflow):
    """The workflow, with the seconds that each round's took."""

    seconds: list[float]

    def __call__(self, grid: Grid, context: Context) -> None:
        began = time.monotonic()
        super().__call__(grid, context)
        self.seconds.append(time.monotonic() - began)


@server.main()
def main(grid: Grid, context: Context) -> None:
    config = settings(context)
    cohort = int(config["participants"])
    strategy = FedAvg(
        fraction_fit=1.0, fraction_evaluate=0.0, min_fit_clients=cohort, min_available_clients=cohort,
        initial_parameters=ndarrays_to_parameters([np.zeros(int(config["slots"]), np.float32)]),
    )  # fmt: skip
    legacy = LegacyContext(context, ServerConfig(num_rounds=int(config["rounds"])), strategy)
    secure = Timed(num_shares=1.0, reconstruction_threshold=2 * cohort // 3 + 1)
    secure.seconds = []
    DefaultWorkflow(fit_workflow=secure)(grid, legacy)
    Path(str(config["report"])).write_text(json.dumps(secure.seconds))


class Constant(NumPyClient):
    """Answers at once; those that drop out fail where their masked update is due."""

    def __init__(self, context: Context) -> None:
        self._lost = int(context.node_config["partition-id"]) < int(settings(context)["dropouts"])

    def fit(self, parameters: list[Any], config: dict[str, Any]) -> tuple[list[Any], int, dict[str, Any]]:  # noqa: ARG002
        if self._lost:
            raise RuntimeError("it drops out")
        return [parameters[0] + 1], 10, {}


client = ClientApp(client_fn=lambda context: Constant(context).to_client(), mods=[secaggplus_mod])
