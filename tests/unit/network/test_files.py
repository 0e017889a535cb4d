"""Replacing and creating a file, with a crash, a full disk or a second writer between any two steps."""

import errno
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from network.errors import NetworkError
from network.files import create_file, put_in_place, replace_file, write_atomically, write_new

STEPS = ("open", "fsync", "replace", "link", "unlink")
PROJECT = Path(__file__).resolve().parents[3]
OLD, NEW = "old " * 1000, "new " * 2000


class CrashError(BaseException):
    """The process dies here: nothing that catches an ordinary error may run as if it went on."""


class Disk:
    """Watches what is asked of the system; crashes before, or refuses, the step of a given number."""

    def __init__(self, patched: pytest.MonkeyPatch, stop: int = -1, failure: BaseException | None = None) -> None:
        self.steps: list[str] = []
        self._stop, self._failure = stop, failure or CrashError()
        for name in STEPS:
            patched.setattr(os, name, self._watched(name, getattr(os, name)))

    def _watched(self, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            if len(self.steps) == self._stop:
                self._stop = -1
                raise self._failure
            what = _path(arguments[0])
            self.steps.append(f"{name} {'folder' if what.is_dir() else 'file' if what.name == 'it' else 'temporary'}")
            return real(*arguments, **options)

        return call


def _path(where: Any) -> Path:
    return Path(f"/proc/self/fd/{where}").readlink() if isinstance(where, int) else Path(where)


def _stopped(
    monkeypatch: pytest.MonkeyPatch, stop: int, act: Callable[[], Any], failure: BaseException | None = None
) -> bool:
    """Run something until its step of that number; return whether it was stopped."""
    with monkeypatch.context() as patched:
        Disk(patched, stop, failure)
        try:
            act()
        except (CrashError, OSError):
            return True
    return False


def test_bytes_are_synced_before_the_name_leads_to_them_and_the_folder_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    with monkeypatch.context() as patched:
        disk = Disk(patched)
        replace_file(tmp_path / "it", NEW)
    wanted = ["fsync temporary", "replace temporary", "fsync folder"]
    assert [step for step in disk.steps if not step.startswith("open")] == wanted


def test_what_is_created_is_synced_before_the_name_leads_to_it_and_the_folder_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    with monkeypatch.context() as patched:
        disk = Disk(patched)
        assert create_file(tmp_path / "it", NEW)
    kept = [step for step in disk.steps if step.startswith(("fsync", "link"))]
    assert kept == ["fsync temporary", "link temporary", "fsync folder"]


def test_after_a_crash_at_any_step_the_old_content_or_the_new_is_there_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    path, stop, seen = tmp_path / "it", 0, []
    path.write_text(OLD)
    while _stopped(monkeypatch, stop, lambda: replace_file(path, NEW)):
        seen.append(path.read_text())
        path.write_text(OLD)
        stop += 1
    assert set(seen) == {OLD, NEW}
    assert seen == sorted(seen, reverse=True)  # from some step on the new one, never back
    assert path.read_text() == NEW


def test_after_a_crash_at_any_step_a_created_file_is_whole_or_absent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path, stop, seen = tmp_path / "it", 0, []
    while _stopped(monkeypatch, stop, lambda: create_file(path, NEW)):
        seen.append(path.read_text() if path.exists() else None)
        path.unlink(missing_ok=True)
        stop += 1
    assert set(seen) == {None, NEW}


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO])
def test_a_disk_that_refuses_any_step_is_told_and_leaves_nothing_beside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
):
    path, stop = tmp_path / "it", 0
    path.write_text(OLD)
    while _stopped(monkeypatch, stop, lambda: replace_file(path, NEW), OSError(code, "refused")):
        assert path.read_text() in {OLD, NEW}
        assert [entry.name for entry in tmp_path.iterdir()] == ["it"]
        path.write_text(OLD)
        stop += 1
    assert stop >= 5  # open, write and sync the file, rename, open and sync the folder


def test_a_folder_that_cannot_be_synced_is_not_taken_for_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Else a caller would act on a name that a power cut takes back."""
    real = os.fsync

    def fsync(descriptor: int) -> None:
        if _path(descriptor).is_dir():
            raise OSError(errno.EIO, "refused")
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    for act in (replace_file, create_file):
        with pytest.raises(OSError, match="refused"):
            act(tmp_path / act.__name__, NEW)


def test_a_finished_part_is_put_in_place_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    part, path = tmp_path / "part", tmp_path / "it"
    part.write_text(NEW)
    with monkeypatch.context() as patched:
        disk = Disk(patched)
        put_in_place(part, path)
    assert disk.steps == ["open temporary", "fsync temporary", "replace temporary", "open folder", "fsync folder"]
    assert (path.read_text(), part.exists()) == (NEW, False)


def test_a_name_that_is_taken_is_left_alone(tmp_path: Path):
    assert write_new(tmp_path / "it", OLD)
    assert not create_file(tmp_path / "it", NEW)
    assert not write_new(tmp_path / "it", NEW)
    assert (tmp_path / "it").read_text() == OLD
    assert [entry.name for entry in tmp_path.iterdir()] == ["it"]


def test_of_many_who_create_one_file_one_succeeds(tmp_path: Path):
    created: list[int] = []
    threads = [
        threading.Thread(target=lambda n=number: created.extend([n] * create_file(tmp_path / "it", str(n))))
        for number in range(16)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [(tmp_path / "it").read_text()] == [str(number) for number in created]


def test_a_secret_is_never_open_to_others_for_a_moment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    modes = []
    real = os.replace

    def replace(old: Any, new: Any) -> None:
        modes.append(Path(old).stat().st_mode & 0o777)
        real(old, new)

    monkeypatch.setattr(os, "replace", replace)
    replace_file(tmp_path / "it", "secret", mode=0o600)
    assert modes == [0o600]


def test_a_refusal_has_a_code_and_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(NetworkError, match="FL1012") as caught:
        write_atomically(tmp_path / "it", NEW)
    assert "Free some space" in caught.value.hint


def test_nobody_else_syncs_files_but_the_journal_which_appends():
    """A second way to replace a file would be a second thing to get right."""
    rooms = [path for room in ("network", "fl_node", "audit") for path in (PROJECT / room).rglob("*.py")]
    assert {path.name for path in rooms if "fsync(" in path.read_text()} == {"files.py", "recordfile.py"}
