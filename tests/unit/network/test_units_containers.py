"""Compose files and Helm charts, read by the programs that they are for; each container sees its own keys alone."""

import base64
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from network import runfolder
from network.errors import NetworkError
from network.folders import channel_block
from network.organisation import here
from network.package import locked, write_lock
from network.plan import Kind
from network.topology import Consortium, load_consortium
from network.units.compose import IMAGE
from network.units.containers import pods_of
from network.units.model import Unit, Wishes, units_of
from network.units.output import Rendering, plan_at, render
from network.units.places import Places
from network.units.volumes import Shown, blobs_volume, mounts_of, volumes_of
from tests.unit.network.own_folder import own_folder

CHAINCODE = "chaincode-0123456789abcdef"
ORGANISATIONS = ("orderer", "hospital-a", "regulator")
PLACES = Places()
COMPOSE = shutil.which("compose-spec") or shutil.which("docker-compose") or ""
MARK = b"PRIVATE KEY-----"


@pytest.fixture(scope="module")
def consortium() -> Consortium:
    """Every organisation on hosts with names, each orderer on one of its own."""
    definition = load_consortium().model_dump()
    for organisation in definition["organisations"]:
        organisation["host"] = f"{organisation['name']}.example.org"
        for peer in organisation["peers"]:
            peer["host"] = organisation["host"]
        for orderer in organisation["orderers"]:
            orderer["host"] = f"{orderer['name']}.example.org"
    return Consortium.model_validate(definition)


@pytest.fixture(scope="module")
def folders(consortium: Consortium, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The own folder of each kind of organisation."""
    base = tmp_path_factory.mktemp("consortium")
    runfolder.prepare(base / "run", consortium)
    runfolder.give_genesis(base / "run", consortium, "devnet")
    (base / CHAINCODE).write_bytes(b"a program")
    for _, folder in here(base / "run", consortium):
        write_lock(folder.root, locked(consortium, base / CHAINCODE))
    return {name: own_folder(base / "run", name, base / name) for name in ORGANISATIONS}


def rendered(consortium: Consortium, own: Path, form: str, out: Path) -> Path:
    organisation = own.name
    wishes = Wishes(data=Path("/srv/rows") if organisation == "hospital-a" else None)
    render(consortium, Rendering(own, organisation, form, "fabric", PLACES, wishes), CHAINCODE, out)  # type: ignore[arg-type]
    return out


def units(consortium: Consortium, organisation: str, kind: Kind = "fabric") -> dict[str, Unit]:
    plan = plan_at(consortium, kind, organisation, PLACES, CHAINCODE, "fedledger:id")
    return {unit.name: unit for unit in units_of(consortium, plan, organisation, PLACES, Wishes())}


def keys_below(own: Path) -> set[Path]:
    """Every file with a private key in a folder, as it will lie on the host."""
    found = [path for path in own.rglob("*") if path.is_file() and MARK in path.read_bytes()]
    return {PLACES.folder / path.relative_to(own) for path in found}


def keys_of(unit: Unit) -> set[Path]:
    return {*unit.keys, *([unit.connection] if unit.connection else [])}


@pytest.mark.parametrize("form", ["systemd", "compose", "helm"])
@pytest.mark.parametrize("organisation", ORGANISATIONS)
def test_nothing_that_is_rendered_holds_a_key(consortium, folders, tmp_path, organisation, form):
    out = rendered(consortium, folders[organisation], form, tmp_path / "out")
    files = [path for path in out.rglob("*") if path.is_file()]
    assert len(files) > 1
    assert [path for path in files if MARK in path.read_bytes()] == []


@pytest.mark.parametrize("form", ["compose", "helm"])
def test_containers_of_a_host_without_a_name_are_refused(folders, tmp_path, form):
    with pytest.raises(NetworkError, match=r"FL1082: hospital-a has processes on 127\.0\.0\.1"):
        rendered(load_consortium(), folders["hospital-a"], form, tmp_path / "out")


@pytest.mark.parametrize("organisation", ORGANISATIONS)
def test_a_service_sees_the_keys_that_it_acts_with_and_no_other(consortium, folders, tmp_path, organisation):
    own = folders[organisation]
    services = composed(rendered(consortium, own, "compose", tmp_path / "out"))["services"]
    everything = keys_below(own)
    assert services.keys() == units(consortium, organisation).keys()
    for name, unit in units(consortium, organisation).items():
        mounts = services[name]["volumes"]
        shown = [m["target"] for m in mounts if m["type"] == "bind" and m["source"] != "/dev/null"]
        masked = [m["target"] for m in mounts if m["type"] == "tmpfs" or m["source"] == "/dev/null"]
        seen = {k for k in everything if any(map(k.is_relative_to, shown)) and not any(map(k.is_relative_to, masked))}
        assert seen == keys_of(unit)


@pytest.mark.parametrize("organisation", ORGANISATIONS)
def test_services_of_a_host_share_its_name_and_its_loopback(consortium, folders, tmp_path, organisation):
    services = composed(rendered(consortium, folders[organisation], "compose", tmp_path / "out"))["services"]
    for name, unit in units(consortium, organisation).items():
        owner = services[name].get("network_mode", f"service:{name}").removeprefix("service:")
        assert services[owner]["networks"]["federation"]["aliases"] == [unit.host]
        assert {f"{port}:{port}" for port in unit.dialled} <= set(services[owner]["ports"])
        assert services[name]["read_only"]
        assert services[name]["cap_drop"] == ["ALL"]
        assert "no-new-privileges:true" in services[name]["security_opt"]


def judges_compose() -> bool:
    """Say whether a program here knows the specification; docker-compose 1 knows less than it."""
    if not COMPOSE.endswith("docker-compose"):
        return bool(COMPOSE)
    said = subprocess.run([COMPOSE, "version", "--short"], capture_output=True, text=True, check=False, timeout=60)
    return not said.stdout.startswith("1.")


@pytest.mark.skipif(not judges_compose(), reason="no compose-spec, nor docker-compose 2, on PATH")
@pytest.mark.parametrize("organisation", ORGANISATIONS)
def test_the_compose_specification_accepts_the_file(consortium, folders, tmp_path, organisation):
    out = rendered(consortium, folders[organisation], "compose", tmp_path / "out")
    copy = tmp_path / "compose.yaml"
    copy.write_text((out / "compose.yaml").read_text().replace(IMAGE, "registry.example.org/fedledger:1"))
    given = [copy] if COMPOSE.endswith("compose-spec") else ["-f", copy, "config"]
    done = subprocess.run([COMPOSE, *given], capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    assert yaml.safe_load(done.stdout)["services"].keys() == units(consortium, organisation).keys()


@pytest.mark.skipif(shutil.which("helm") is None, reason="no helm on PATH")
@pytest.mark.parametrize("organisation", ORGANISATIONS)
def test_helm_renders_a_restricted_pod_for_each_host(consortium, folders, tmp_path, organisation):
    chart = rendered(consortium, folders[organisation], "helm", tmp_path / "out")
    lint = subprocess.run(["helm", "lint", "--strict", chart], capture_output=True, text=True, check=False, timeout=120)
    assert lint.returncode == 0, lint.stdout
    objects = templated(chart)
    sets = [item for item in objects if item["kind"] == "StatefulSet"]
    expected = units(consortium, organisation)
    assert {c["name"] for s in sets for c in containers(s)} == expected.keys()
    assert len(sets) == len({unit.host for unit in expected.values()})
    for item in sets:
        restricted(item["spec"]["template"]["spec"])
        for container in containers(item):
            items = secret_items(item["spec"]["template"]["spec"]["volumes"], container)
            assert {path for path in items if path in keys_below(folders[organisation])} == keys_of(
                expected[container["name"]]
            )


@pytest.mark.skipif(shutil.which("helm") is None, reason="no helm on PATH")
@pytest.mark.parametrize("organisation", ORGANISATIONS)
def test_kubernetes_knows_every_field_of_the_chart(consortium, folders, tmp_path, organisation):
    schemas = pytest.importorskip("kubernetes_validate", reason="no kubernetes-validate in this environment")
    objects = templated(rendered(consortium, folders[organisation], "helm", tmp_path / "out"))
    assert {item["kind"] for item in objects} == {"ConfigMap", "Service", "StatefulSet"}
    for item in objects:
        schemas.validate(item, schemas.latest_version(), strict=True)


@pytest.mark.skipif(shutil.which("helm") is None, reason="no helm on PATH")
def test_a_chart_without_an_image_is_refused_by_name(consortium, folders, tmp_path):
    chart = rendered(consortium, folders["hospital-a"], "helm", tmp_path / "out")
    done = subprocess.run(["helm", "template", "x", chart], capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode != 0
    assert "image.name: the image that holds the programs" in done.stderr


def test_the_script_makes_each_secret_from_files_that_are_there(consortium, folders, tmp_path):
    out = rendered(consortium, folders["hospital-a"], "helm", tmp_path / "out")
    kubectl = tmp_path / "bin" / "kubectl"
    kubectl.parent.mkdir()
    kubectl.write_text(f'#!/bin/sh\nfor word in "$@"; do echo "$word" >> {tmp_path}/said; done\n')
    kubectl.chmod(0o755)
    environment = {"PATH": f"{kubectl.parent}:{os.environ['PATH']}"}
    command = [out / "create-secrets.sh", folders["hospital-a"], "--namespace", "fed"]
    subprocess.run(command, check=True, env=environment, timeout=60)
    said = (tmp_path / "said").read_text().splitlines()
    files = [word.partition("=")[2].partition("=")[2] for word in said if word.startswith("--from-file")]
    assert all(Path(file).is_file() for file in files)
    own = folders["hospital-a"]
    given = {PLACES.folder / Path(file).relative_to(own) for file in files}
    every = {key for unit in units(consortium, "hospital-a").values() for key in keys_of(unit)}
    assert every <= given
    assert not {key for key in keys_below(own) if key in given} - every
    assert said.count("fed") == len(units(consortium, "hospital-a"))


def test_a_chart_for_devnet_shows_the_channels_first_block_to_who_begins_a_ledger(consortium, folders, tmp_path):
    own = folders["hospital-a"]
    asked = Rendering(own, "hospital-a", "helm", "devnet", PLACES, Wishes())
    render(consortium, asked, CHAINCODE, tmp_path / "out")
    held = yaml.safe_load((tmp_path / "out" / "templates" / "channel.yaml").read_text())
    assert base64.b64decode(held["binaryData"]["channel.block"]) == channel_block(own).read_bytes()
    shown = Shown([], [], block=True, blobs="data")
    for name, unit in units(consortium, "hospital-a", "devnet").items():
        (source,) = [v for v in volumes_of(unit, PLACES, shown) if v["name"] == f"consortium-{name}"]
        items = [i["path"] for each in source["projected"]["sources"] for i in each["configMap"]["items"]]
        assert ("channel.block" in items) == name.startswith("peer")
    channel_block(own).rename(own / "aside")
    with pytest.raises(NetworkError, match="FL1108"):
        render(consortium, asked, CHAINCODE, tmp_path / "other")
    (own / "aside").rename(channel_block(own))


def on_two_hosts(consortium: Consortium) -> Consortium:
    """The same with a second peer of hospital-a, on another host."""
    definition = consortium.model_dump(mode="json")
    own = next(each for each in definition["organisations"] if each["name"] == "hospital-a")
    ports = {"port": 9001, "chaincode_port": 9002, "operations_port": 9003, "internal_port": 9004}
    own["peers"].append({"name": "peer1.hospital-a", "host": "second.example.org", **ports})
    return Consortium.model_validate(definition)


@pytest.mark.skipif(shutil.which("helm") is None, reason="no helm on PATH")
@pytest.mark.parametrize("kind", ["devnet", "fabric"])
def test_helm_renders_a_pod_for_each_host_of_two_peers(consortium, tmp_path, kind):
    spread = on_two_hosts(consortium)
    runfolder.prepare(tmp_path / "run", spread)
    runfolder.give_genesis(tmp_path / "run", spread, "devnet")
    own = own_folder(tmp_path / "run", "hospital-a", tmp_path / "hospital-a")
    (tmp_path / CHAINCODE).write_bytes(b"a program")
    write_lock(own, locked(spread, tmp_path / CHAINCODE))
    wishes = Wishes()
    render(spread, Rendering(own, "hospital-a", "helm", kind, PLACES, wishes), CHAINCODE, tmp_path / "out")
    sets = [item for item in templated(tmp_path / "out") if item["kind"] == "StatefulSet"]
    assert [[c["name"] for c in containers(item)] for item in sets] == [
        ["peer-hospital-a", "chaincode-hospital-a", "node-hospital-a"]
        if kind == "devnet"
        else ["chaincode-hospital-a", "peer-hospital-a", "node-hospital-a"],
        ["peer1-hospital-a", "chaincode1-hospital-a"]
        if kind == "devnet"
        else ["chaincode1-hospital-a", "peer1-hospital-a"],
    ]
    for item in sets:
        pod = item["spec"]["template"]["spec"]
        claimed = [v["persistentVolumeClaim"]["claimName"] for v in pod["volumes"] if v["name"] == "blobs"]
        assert claimed == ["fedledger-blobs"]
        known = {volume["name"] for volume in pod["volumes"]} | {"data"}
        assert {m["name"] for c in pod["containers"] for m in c["volumeMounts"]} <= known


def test_peers_on_two_hosts_share_one_claim_of_blobs_and_one_host_needs_none(consortium):
    spread = on_two_hosts(consortium)
    for each, volume in ((consortium, "data"), (spread, "blobs")):
        every = units(each, "hospital-a")
        used = blobs_volume(pods_of("hospital-a", list(every.values())), PLACES)
        assert used == volume
        for name in [name for name in every if name.startswith(("chaincode", "node"))]:
            mounts = mounts_of(every[name], PLACES, Shown([], [], block=False, blobs=used))
            assert [m["name"] for m in mounts if m["mountPath"] == str(PLACES.folder / "blobs")] == [volume]


def composed(out: Path) -> dict[str, Any]:
    return yaml.safe_load((out / "compose.yaml").read_text())


def templated(chart: Path) -> list[dict[str, Any]]:
    """What helm makes of a chart."""
    command = ["helm", "template", "federation", chart, "--set", "image.name=registry.example.org/fedledger:1"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    return [item for item in yaml.safe_load_all(done.stdout) if item]


def containers(item: dict[str, Any]) -> list[dict[str, Any]]:
    return item["spec"]["template"]["spec"]["containers"]


def restricted(pod: dict[str, Any]) -> None:
    """Kubernetes' restricted Pod Security Standard, as far as a pod of ours has such fields."""
    assert not {"hostNetwork", "hostPID", "hostIPC"} & pod.keys()
    assert pod["securityContext"]["runAsNonRoot"]
    assert pod["securityContext"]["seccompProfile"]["type"] == "RuntimeDefault"
    assert {next(iter(set(volume) - {"name"})) for volume in pod["volumes"]} <= {
        *("configMap", "emptyDir", "projected", "secret", "persistentVolumeClaim")
    }
    for container in pod["containers"]:
        assert container["securityContext"]["allowPrivilegeEscalation"] is False
        assert container["securityContext"]["readOnlyRootFilesystem"]
        assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
        assert container["securityContext"]["seccompProfile"]["type"] in {"RuntimeDefault", "Localhost"}


def secret_items(volumes: list[dict[str, Any]], container: dict[str, Any]) -> set[Path]:
    """Where a container finds the files of Secrets."""
    mounted = {m["name"]: Path(m["mountPath"]) for m in container["volumeMounts"]}
    return {
        mounted[volume["name"]] / item["path"]
        for volume in volumes
        if volume["name"] in mounted
        for source in volume.get("projected", {}).get("sources", ())
        for item in source.get("secret", {}).get("items", ())
    }
