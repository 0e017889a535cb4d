"""A command that is told to stop by SIGTERM stops what it started."""

import signal
import subprocess
import sys

PROGRAM = """
import sys, threading
from network.interrupt import interruptible

with interruptible():
    try:
        print("started", flush=True)
        threading.Event().wait()
    finally:
        print("cleaning", flush=True)
        sys.stdin.readline()  # the second signal comes meanwhile
        print("cleaned", flush=True)
"""


def test_sigterm_ends_a_command_after_it_has_cleaned_up_and_a_second_one_does_not_disturb_that():
    command = [sys.executable, "-c", PROGRAM]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as running:
        assert running.stdin
        assert running.stdout
        assert running.stdout.readline() == "started\n"
        running.send_signal(signal.SIGTERM)
        assert running.stdout.readline() == "cleaning\n"
        running.send_signal(signal.SIGTERM)
        running.stdin.write("go on\n")
        running.stdin.flush()
        assert running.stdout.readline() == "cleaned\n"
    assert running.returncode == 128 + signal.SIGTERM
