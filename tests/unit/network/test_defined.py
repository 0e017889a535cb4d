"""A node that runs learns of its own definition's changes, and of the channel's under the names that it gives."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from network import directory
from network.connection import consortium_of
from network.defined import BlobServices, Definition
from network.directory import Followed, Known
from network.files import write_atomically
from network.folders import definition_path
from network.topology import Consortium, dump_consortium

NEWCOMER = "hospital-z"


class Log:
    """Keeps what is logged."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def info(self, event: str, **_: Any) -> None:
        self.said.append(event)

    warning = info


@pytest.fixture
def folder(run: Path, tmp_path: Path) -> Path:
    write_atomically(definition_path(tmp_path), dump_consortium(consortium_of(run)))
    return tmp_path


def wider(consortium: Consortium) -> Consortium:
    value = consortium.model_dump(mode="json", exclude_none=True)
    value["organisations"].append({"name": NEWCOMER, "role": "member", "host": "hospital-z.example.test"})
    return Consortium.model_validate(value)


def test_a_definition_that_a_command_has_changed_is_read_again_and_one_that_stays_is_not(folder: Path):
    log = Log()
    definition = Definition(folder, log)
    before = definition()
    assert definition() is before
    write_atomically(definition_path(folder), dump_consortium(wider(before)))
    assert [o.name for o in definition().members][-1] == NEWCOMER
    assert definition() is definition()
    assert log.said == ["the definition is read again"]


def test_while_a_definition_is_damaged_or_away_the_last_one_holds_and_that_is_said_once(folder: Path):
    log = Log()
    definition = Definition(folder, log)
    before = definition()
    definition_path(folder).write_text("organisations: [")
    assert definition() is definition() is before
    definition_path(folder).unlink()
    assert definition() is definition() is before
    write_atomically(definition_path(folder), dump_consortium(wider(before)))
    assert len(definition().members) == len(before.members) + 1
    assert len(log.said) == 3


def test_a_newcomers_blob_service_is_known_as_soon_as_the_definition_has_it(folder: Path):
    definition = Definition(folder, Log())
    services = BlobServices(definition)
    before = dict(services)
    assert before == definition().blob_services
    write_atomically(definition_path(folder), dump_consortium(wider(definition())))
    port = definition().organisation(NEWCOMER).blob_port
    assert dict(services) == {**before, NEWCOMER: f"https://hospital-z.example.test:{port}"}
    assert len(services) == len(before) + 1


def test_an_organisation_has_its_msp_id_for_a_name_until_the_definition_names_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch
):
    definition = Definition(folder, Log())
    followed = Followed(definition)
    assert followed.directory is None
    config = SimpleNamespace(organisations=["HospitalAMSP", "HospitalZMSP"])
    monkeypatch.setattr(directory, "organisations", lambda config: config.organisations)
    monkeypatch.setattr(directory, "_known", lambda _, msp_id, name: Known(name, msp_id, None, {}))
    followed.read(config)
    assert followed.directory is followed.directory
    assert list(followed.directory or ()) == ["hospital-a", "HospitalZMSP"]
    write_atomically(definition_path(folder), dump_consortium(wider(definition())))
    assert list(followed.directory or ()) == ["hospital-a", NEWCOMER]
    followed.read(SimpleNamespace(organisations=["HospitalZMSP"]))
    assert list(followed.directory or ()) == [NEWCOMER]
