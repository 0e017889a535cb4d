"""Checkpoints that survive a crash at any moment."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway import FileCheckpointer, InMemoryCheckpointer, Position
from gateway._checkpoint import _decode, _encode

WRITER = """
import asyncio, sys
from gateway import FileCheckpointer, Position
async def main():
    checkpointer = FileCheckpointer(sys.argv[1])
    for number in range(1_000_000):
        await checkpointer.record(Position(number, "x" * (number % 5000 + 1)))
        print(number, flush=True)
asyncio.run(main())
"""


@given(number=st.integers(1, 2**64 - 1), transaction_id=st.none() | st.text(min_size=1))
def test_a_position_survives_the_file(number, transaction_id):
    position = Position(number, transaction_id)
    assert position == _decode(json.loads(_encode(position)))


async def test_a_new_file_holds_nothing_and_the_next_reader_finds_the_position(tmp_path):
    path = tmp_path / "checkpoint"
    checkpointer = FileCheckpointer(path)
    assert Position() == checkpointer.position
    await checkpointer.record(Position(7, "tx"))
    assert Position(7, "tx") == checkpointer.position == FileCheckpointer(path).position


@pytest.mark.parametrize(
    ("position", "go", "node", "java"),
    [
        (Position(), '{"blockNumber":0,"transactionId":""}', "{}", "{}"),
        (Position(12), '{"blockNumber":12,"transactionId":""}', '{"blockNumber":"12"}', '{"blockNumber":12}'),
        (
            Position(12, "tx"),
            '{"blockNumber":12,"transactionId":"tx"}',
            '{"blockNumber":"12","transactionId":"tx"}',
            '{"blockNumber":12,"transactionId":"tx"}',
        ),
        (
            Position(0, "tx"),
            '{"blockNumber":0,"transactionId":"tx"}',
            '{"blockNumber":"0","transactionId":"tx"}',
            '{"blockNumber":0,"transactionId":"tx"}',
        ),
    ],
)
def test_whatever_an_official_client_writes_is_read_and_what_is_written_is_what_the_java_client_writes(
    tmp_path, position, go, node, java
):
    """Java's form is the one that all of them read: no null, no empty transaction, the number as a number."""
    for text in (go, node, java):
        path = tmp_path / "checkpoint"
        path.write_text(text)
        assert position == FileCheckpointer(path).position
    assert json.loads(java) == json.loads(_encode(position))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "7",
        '{"transactionId":"tx"}',
        '{"blockNumber":true,"transactionId":""}',
        '{"blockNumber":1.5,"transactionId":""}',
        '{"blockNumber":1,"transactionId":"","more":1}',
        '{"blockNumber":-1,"transactionId":""}',
        '{"blockNumber":"x","transactionId":""}',
        '{"blockNumber":1,"transactionId":5}',
        '{"blockNumber":[],"transactionId":""}',
        "\xff",
    ],
)
def test_a_file_that_is_no_checkpoint_is_refused_and_left_alone(tmp_path, text):
    path = tmp_path / "checkpoint"
    path.write_text(text)
    with pytest.raises(ValueError, match="is no checkpoint"):
        FileCheckpointer(path)
    assert text == path.read_text()


@pytest.mark.parametrize("failing", ["fsync", "replace", "open"])
async def test_a_disk_that_fails_leaves_the_old_position(tmp_path, monkeypatch, failing):
    path = tmp_path / "checkpoint"
    checkpointer = FileCheckpointer(path)
    await checkpointer.record(Position(1, "old"))

    def broken(*args, **kwargs):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os if failing == "fsync" else Path, failing, broken)
        with pytest.raises(OSError, match="No space left"):
            await checkpointer.record(Position(2, "new"))
    assert Position(1, "old") == checkpointer.position == FileCheckpointer(path).position
    await checkpointer.record(Position(3, "later"))
    assert Position(3, "later") == FileCheckpointer(path).position


async def test_the_content_is_on_the_disk_before_the_name_and_the_name_before_the_return(tmp_path, monkeypatch):
    order = []
    fsync, replace = os.fsync, Path.replace
    monkeypatch.setattr(os, "fsync", lambda fd: (order.append("sync"), fsync(fd))[1])
    monkeypatch.setattr(Path, "replace", lambda self, to: (order.append("replace"), replace(self, to))[1])
    await FileCheckpointer(tmp_path / "checkpoint").record(Position(1))
    assert ["sync", "replace", "sync"] == order


@pytest.mark.parametrize("lifetime", [0.02, 0.11, 0.23])
def test_a_killed_writer_leaves_a_position_it_had_reached(tmp_path, lifetime):
    path = tmp_path / "checkpoint"
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, cwd=Path(__file__).parents[3]
    ) as writer:
        writer.stdout.readline()
        time.sleep(lifetime)
        writer.send_signal(signal.SIGKILL)
        told = writer.stdout.read().split()
    last = int(told[-1]) if told else 0
    assert FileCheckpointer(path).position.block_number in {last, last + 1}


async def test_memory_remembers_while_it_lives():
    checkpointer = InMemoryCheckpointer()
    assert Position() == checkpointer.position
    await checkpointer.record(Position(3))
    assert Position(3) == checkpointer.position


async def test_recording_does_not_block_the_loop(tmp_path, monkeypatch):
    fsync = os.fsync
    monkeypatch.setattr(os, "fsync", lambda fd: (time.sleep(0.05), fsync(fd))[1])
    recording = asyncio.create_task(FileCheckpointer(tmp_path / "checkpoint").record(Position(1)))
    await asyncio.sleep(0.01)
    assert not recording.done()
    await recording
