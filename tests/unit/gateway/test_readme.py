"""The README's example, run as it stands."""

import asyncio
import re
import sys
from pathlib import Path

import grpc
from wire_peer import Failure

import gateway as package

README = Path(package.__file__).parent / "README.md"


async def test_the_example_does_what_it_says(server, peer, tls, user, tmp_path):
    identity, key = user
    (tmp_path / "tls-ca.pem").write_bytes(tls.root)
    (tmp_path / "certificate.pem").write_bytes(identity.certificate)
    (tmp_path / "key.pem").write_bytes(key)
    refusal = (("peer:1", "Org1MSP", "chaincode response 500, FL0203: round 7 is closed"),)
    peer.fail("Endorse", None, Failure(grpc.StatusCode.ABORTED, "refused", refusal))
    (code,) = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
    program = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        code,
        str(tmp_path),
        f"127.0.0.1:{server}",
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        cwd=README.parents[1],
    )
    output, complaints = await asyncio.wait_for(program.communicate(), 30)
    assert (0, b"") == (program.returncode, complaints)
    assert [
        "submitted: b'Put|colour|blue'",
        "evaluated: b'Get|colour'",
        "seen: Done in block 1",
        "refused: FL0203 chaincode response 500, FL0203: round 7 is closed",
    ] == output.decode().splitlines()
