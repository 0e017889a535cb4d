import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from network.devnet import protos as p
from network.devnet.blocks import new_block
from network.devnet.store import Changes, Store
from network.errors import NetworkError


def block(store, *envelopes):
    return new_block(store.height, store.last_hash, list(envelopes))


def write(store, **values):
    number = store.height
    writes = {("cc", key): (value, (number, 0)) for key, value in values.items()}
    store.append(block(store, b"tx"), [(f"tx{number}", 0, 0)], Changes(writes))


@pytest.fixture
def store(tmp_path):
    made = Store(tmp_path / "ledger.db")
    yield made
    made.close()


def test_a_store_opens_again_where_it_was_left(store, tmp_path):
    write(store, a=b"1", b=b"2")
    write(store, a=None)
    again = Store(tmp_path / "ledger.db")
    assert (store.height, store.last_hash) == (again.height, again.last_hash) == (2, store.last_hash)
    assert again.current.get("cc", "a") is None
    assert again.current.get("cc", "b") == (b"2", (0, 0))
    assert again.transaction("tx1").number == 1
    again.close()


def test_a_snapshot_keeps_seeing_its_block(store):
    write(store, a=b"1")
    snapshot = store.open_snapshot()
    write(store, a=b"2", b=b"3")
    assert snapshot.get("cc", "a") == (b"1", (0, 0))
    assert [("a", b"1", (0, 0))] == list(snapshot.scan("cc", "", ""))
    store.release(snapshot)
    later = store.open_snapshot()
    assert [("a", (1, 0)), ("b", (1, 0))] == list(later.versions("cc", "", ""))
    store.release(later)


def test_ranges_exclude_their_end_and_follow_byte_order(store):
    write(store, **{"a": b"1", "b": b"1", "\U0001f600": b"1", "\uffee": b"1", "\x00c\x00": b"1"})
    assert ["\x00c\x00", "a", "b", "\uffee", "\U0001f600"] == [k for k, _, _ in store.current.scan("cc", "", "")]
    assert ["a"] == [k for k, _, _ in store.current.scan("cc", "a", "b")]
    assert [] == list(store.current.scan("other", "", ""))


def test_the_first_transaction_with_an_id_keeps_it(store):
    store.append(block(store, b"x"), [("same", 0, 0)], Changes({}))
    store.append(block(store, b"y"), [("same", 0, int(p.transaction.DUPLICATE_TXID))], Changes({}))
    assert store.transaction("same").number == 0


def test_blocks_are_found_by_number_and_by_hash(store):
    for content in (b"x", b"y"):
        store.append(block(store, content), [], Changes({}))
    assert store.block(1) == store.block_by_hash(store.last_hash)
    assert (store.block(2), store.block_by_hash(b"nothing")) == (None, None)


def test_a_block_that_fails_in_the_middle_leaves_nothing(store):
    with pytest.raises(Exception, match=r"unsupported|binding"):
        store.append(block(store, b"x"), [("tx", 0, 0)], Changes({("cc", "a"): (object(), (0, 0))}))
    assert (store.height, store.block(0), store.transaction("tx"), store.current.get("cc", "a")) == (
        0,
        None,
        None,
        None,
    )
    write(store, a=b"1")
    assert store.height == 1


def test_a_full_disk_is_a_clear_error_and_nothing_is_lost(store, tmp_path):
    write(store, a=b"1")
    pages = store._writer.execute("pragma page_count").fetchone()[0]
    store._writer.execute(f"pragma max_page_count={pages + 2}")
    with pytest.raises(
        NetworkError, match=r"FL1070: the ledger cannot be written: database or disk is full .*ledger.db"
    ):
        write(store, a=b"2" * 100_000)
    assert (1, (b"1", (0, 0))) == (store.height, store.current.get("cc", "a"))
    store._writer.execute("pragma max_page_count=1000000")
    write(store, a=b"2" * 100_000)
    assert store.height == 2


def test_a_folder_that_is_none_is_a_clear_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(NetworkError, match="FL1070"):
        Store(tmp_path / "file" / "ledger.db")


WRITER = """
import sys
from pathlib import Path
from network.devnet.blocks import new_block
from network.devnet.store import Changes, Store
store = Store(Path(sys.argv[1]))
print("writing", flush=True)
while True:
    n = store.height
    writes = {("cc", f"k{i}"): (str(n).encode(), (n, i)) for i in range(50)}
    store.append(new_block(n, store.last_hash, [b"tx"]), [(f"tx{n}", 0, 0)], Changes(writes))
"""


@pytest.mark.parametrize("delay", [0.02, 0.05, 0.09, 0.14, 0.2])
def test_a_killed_writer_leaves_whole_blocks_with_their_state(tmp_path, delay):
    path = tmp_path / "ledger.db"
    for _ in range(2):
        process = subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, cwd=Path.cwd())
        process.stdout.readline()
        time.sleep(delay)
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
    store = Store(path)
    last = store.height - 1
    assert last >= 0
    for number in range(store.height):
        found = store.block(number)
        assert number == found.header.number == store.transaction(f"tx{number}").number
    assert store.transaction(f"tx{store.height}") is None
    values = {value for _, value, _ in store.current.scan("cc", "", "")}
    assert {str(last).encode()} == values
    store.close()
