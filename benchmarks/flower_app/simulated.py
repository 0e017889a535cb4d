"""The same app in Flower's simulation engine: warm actors of Ray in the place of processes that talk over gRPC."""

import json
import os

from app import client, server
from flwr.simulation import run_simulation

run_simulation(
    server_app=server,
    client_app=client,
    num_supernodes=int(json.loads(os.environ["FEDLEDGER_BENCH"])["participants"]),
    backend_config={"client_resources": {"num_cpus": 1}, "init_args": {"log_to_driver": False}},
)
