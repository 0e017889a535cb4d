"""One client process of benchmarks/ledger.py: submits puts for a while and prints what it measured as JSON."""

import asyncio
import json
import sys
import time
from pathlib import Path

from gateway import Contract, Endpoint, Gateway, Identity, Signer, connect, errors

WARM_UP = 4


def connected(work: dict[str, str | int | float]) -> Gateway:
    endpoint = Endpoint(str(work["address"]), root_certificates=Path(str(work["tls_root"])).read_bytes())
    identity = Identity(str(work["msp_id"]), Path(str(work["certificate"])).read_bytes())
    return connect([endpoint], identity, Signer.from_pem(Path(str(work["key"])).read_bytes()))


async def main(work: dict[str, str | int | float]) -> None:
    async with connected(work) as gateway:
        contract = gateway.network(str(work["channel"])).contract(str(work["chaincode"]))
        await asyncio.gather(*(put(contract, f"{work['prefix']}-w{n}") for n in range(WARM_UP)))
        print(json.dumps(await measure(contract, work)))


async def put(contract: Contract, key: str) -> None:
    await contract.submit("Put", key, "x" * 64)


async def measure(contract: Contract, work: dict[str, str | int | float]) -> dict[str, object]:
    latencies: list[float] = []
    failed = 0

    async def client(number: int) -> None:
        nonlocal failed
        count = 0
        while time.perf_counter() < end:
            start = time.perf_counter()
            count += 1
            try:
                await put(contract, f"{work['prefix']}-{number}-{count}")
            except errors.GatewayError:
                failed += 1
            else:
                latencies.append(time.perf_counter() - start)

    began, cpu = time.perf_counter(), time.process_time()
    end = began + float(work["seconds"])
    await asyncio.gather(*(client(number) for number in range(int(work["clients"]))))
    return {
        "seconds": time.perf_counter() - began,
        "cpu_seconds": time.process_time() - cpu,
        "latencies": latencies,
        "failed": failed,
    }


asyncio.run(main(json.loads(sys.argv[1])))
