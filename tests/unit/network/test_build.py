import shutil
import subprocess

import pytest

from network.build import build_chaincode, find_go, source_digest
from network.checkout import chaincode_sources
from network.errors import NetworkError

MAIN = 'package main\n\nimport "fmt"\n\nfunc main() { fmt.Println("one") }\n'


@pytest.fixture
def sources(tmp_path):
    folder = tmp_path / "chaincode"
    (folder / "cmd" / "tool").mkdir(parents=True)
    (folder / "go.mod").write_text("module example\n\ngo 1.25\n")
    (folder / "main.go").write_text(MAIN)
    (folder / "cmd" / "tool" / "main.go").write_text(MAIN.replace("one", "tool"))
    return folder


def output(program):
    return subprocess.run([program], check=True, capture_output=True, text=True).stdout


def test_packages_are_built_under_names_of_their_own(sources, tmp_path):
    program = build_chaincode(".", sources, tmp_path / "build")
    tool = build_chaincode("./cmd/tool", sources, tmp_path / "build")
    assert (output(program), output(tool)) == ("one\n", "tool\n")
    assert program.name == f"chaincode-{source_digest(sources)}"
    assert tool.name == f"tool-{source_digest(sources)}"


def test_unchanged_sources_are_not_built_again(sources, tmp_path):
    program = build_chaincode(".", sources, tmp_path / "build")
    built = program.stat().st_mtime_ns
    (sources / "main_test.go").write_text("package main\n")
    assert build_chaincode(".", sources, tmp_path / "build") == program
    assert program.stat().st_mtime_ns == built


def test_changed_sources_give_another_program_and_keep_the_old_one(sources, tmp_path):
    old = build_chaincode(".", sources, tmp_path / "build")
    (sources / "main.go").write_text(MAIN.replace("one", "two"))
    new = build_chaincode(".", sources, tmp_path / "build")
    assert (output(old), output(new)) == ("one\n", "two\n")


def test_the_same_sources_give_the_same_bytes_wherever_they_lie_and_whatever_is_set(sources, tmp_path, monkeypatch):
    first = build_chaincode(".", sources, tmp_path / "a")
    elsewhere = tmp_path / "another" / "folder of mine"
    shutil.copytree(sources, elsewhere)
    monkeypatch.setenv("GOFLAGS", "-ldflags=-X=main.version=2")
    monkeypatch.setenv("GOAMD64", "v3")
    monkeypatch.setenv("CGO_ENABLED", "1")
    second = build_chaincode(".", elsewhere, tmp_path / "b")
    assert (first.name, first.read_bytes()) == (second.name, second.read_bytes())


def test_the_federations_own_rules_build_to_the_same_bytes_in_two_folders(tmp_path):
    copied = tmp_path / "checkout" / "chaincode"
    shutil.copytree(chaincode_sources(), copied)
    first = build_chaincode(".", into=tmp_path / "a")
    second = build_chaincode(".", copied, tmp_path / "b")
    assert (first.name, first.read_bytes()) == (second.name, second.read_bytes())


@pytest.mark.parametrize("package", ["./nothing", "..", "/etc", "cmd"])
def test_a_missing_package_is_refused(sources, tmp_path, package):
    with pytest.raises(NetworkError, match="FL1041: there is no Go package"):
        build_chaincode(package, sources, tmp_path / "build")


def test_what_does_not_compile_is_shown_and_leaves_nothing(sources, tmp_path):
    (sources / "main.go").write_text("package main\n\nfunc main() { undefined() }\n")
    with pytest.raises(NetworkError, match=r"(?s)FL1041: does not compile: .*undefined: undefined"):
        build_chaincode(".", sources, tmp_path / "build")
    assert list((tmp_path / "build").iterdir()) == []


@pytest.mark.parametrize(
    ("program", "reason"),
    [
        ("#!/bin/sh\necho go version go1.19.1 linux/amd64\n", "answers: go version go1.19.1 linux/amd64"),
        ("#!/bin/sh\necho cannot find GOROOT >&2; exit 2\n", "answers: cannot find GOROOT"),
        ("#!/no/such/interpreter\n", "No such file or directory"),
    ],
)
def test_without_a_go_that_works_the_error_says_why_and_what_to_do(sources, tmp_path, monkeypatch, program, reason):
    go = tmp_path / "go"
    go.write_text(program)
    go.chmod(0o755)
    monkeypatch.setattr("network.build.shutil.which", lambda _: str(go))
    monkeypatch.setattr("network.build.FALLBACKS", ())
    with pytest.raises(NetworkError, match=rf"FL1040: there is no Go 1.25 or later; .*{reason}.*\. Install Go"):
        build_chaincode(".", sources, tmp_path / "build")


def test_a_go_that_does_not_work_is_passed_over(tmp_path, monkeypatch):
    broken, working = tmp_path / "broken", tmp_path / "working"
    broken.write_text("#!/bin/sh\nexit 2\n")
    working.write_text("#!/bin/sh\necho go version go1.26.1 linux/amd64\n")
    for program in (broken, working):
        program.chmod(0o755)
    monkeypatch.setattr("network.build.shutil.which", lambda _: str(broken))
    monkeypatch.setattr("network.build.FALLBACKS", (str(working),))
    assert find_go() == str(working)


def test_a_program_that_is_there_already_is_taken_as_it_is(tmp_path):
    (tmp_path / "contract.sh").write_text("#!/bin/sh\n")
    assert build_chaincode(str(tmp_path / "contract.sh")) == tmp_path / "contract.sh"


def test_a_module_elsewhere_is_built_by_its_whole_path_and_its_digest_is_in_the_name(sources, tmp_path):
    program = build_chaincode(str(sources), into=tmp_path / "build")
    assert program.name == f"chaincode-{source_digest(sources)}"
    assert output(program) == output(build_chaincode(".", sources, tmp_path / "build"))
