"""A program that ends by itself is started again; one that is stopped, or never got going, is not."""

import subprocess
import sys

from network import processes
from network.keeping import kept
from network.pids import processor
from network.plan import Process
from tests.waiting import PATIENCE_S

DIES = """\
import os, sys, time
open(sys.argv[1], 'a').write(f'{os.getpid()} ')
time.sleep(float(sys.argv[2]))
sys.exit(3)
"""


def started(path):
    return [int(number) for number in path.read_text().split()] if path.exists() else []


def test_a_program_that_ends_is_started_again_and_both_are_stopped(tmp_path):
    seen = tmp_path / "pids-seen"
    command = (sys.executable, "-c", DIES, str(seen), "0.8")
    number = processes.start(tmp_path, Process(name="contract", command=command, port=1, service="chaincode"))
    try:
        assert processes.wait_until(lambda: len(started(seen)) >= 2, PATIENCE_S)
        assert processes.pid(tmp_path, "contract") == number
    finally:
        assert processes.stop(tmp_path, "contract")
    assert processes.wait_until(lambda: not _runs(started(seen)[-1]), PATIENCE_S)
    assert '"event":"program ended","status":3' in processes.log_path(tmp_path, "contract").read_text()


def test_the_processor_time_of_a_program_counts_for_its_keeper(tmp_path):
    busy = "import time\nwhile time.process_time() < 1: pass\ntime.sleep(600)"
    number = processes.start(
        tmp_path, Process(name="contract", command=(sys.executable, "-c", busy), port=1, service="chaincode")
    )
    try:
        assert processes.wait_until(lambda: processor(number) >= 0.5, PATIENCE_S)
    finally:
        assert processes.stop(tmp_path, "contract")


def test_a_program_that_never_gets_going_ends_with_its_status(tmp_path):
    done = subprocess.run(kept(["/bin/sh", "-c", "exit 7"]), check=False, timeout=PATIENCE_S)
    assert done.returncode == 7


def _runs(number):
    try:
        return processes.birth(number) is not None
    except ProcessLookupError:
        return False
