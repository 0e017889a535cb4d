"""A Helm chart of one organisation: a StatefulSet and a Service for each host, Secrets by their names alone."""

import importlib.metadata
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import yaml

from network.folders import OWNER, definition_path, folder_of
from network.units.containers import EVERYWHERE, USER_ID, Pod, environment, pods_of, works, yaml_ready
from network.units.model import Unit
from network.units.places import Places

NAMED: Final = "app.kubernetes.io/name"
VALUES: Final = re.compile(r"'?\[\[(.*?)\]\]'?")
"""Marks, in what YAML writes, an expression of the chart's values that stands for more than a string."""
SCRIPT_MODE: Final = 0o555
SECRET_MODE: Final = 0o440


def helm_chart(
    organisation: str, units: Sequence[Unit], places: Places, run: Path, settings: dict[str, str]
) -> dict[str, str]:
    """Return name of file → content; no file holds a key.

    Args:
        organisation: Whose processes.
        units: They.
        places: Where folder and programs lie in the containers.
        run: The folder as it lies here, with the public parts of every organisation.
        settings: What Fabric's processes read; name relative to the folder → content.

    Raises:
        NetworkError: FL1082, a host of the organisation is an address.
    """
    pods = pods_of(organisation, units)
    public = _public(run, organisation)
    files = {
        "Chart.yaml": _yaml(_chart(organisation)),
        "values.yaml": _yaml(_values(units)),
        "create-secrets.sh": _secrets_script(units, places),
        "templates/public.yaml": _config_map("public"),
        "templates/settings.yaml": _config_map("settings"),
    }
    files |= {f"files/public/{_key(name)}": text for name, text in public.items()}
    files |= {f"files/settings/{_key(name)}": text for name, text in settings.items()}
    for pod in pods:
        files[f"templates/{pod.name}.yaml"] = _template(_stateful_set(pod, places, sorted(public), sorted(settings)))
        files[f"templates/{pod.name}-service.yaml"] = _template(_service(pod))
    return files


def _chart(organisation: str) -> dict[str, Any]:
    version = importlib.metadata.version("fedledger")
    named = {"apiVersion": "v2", "name": f"fedledger-{organisation}", "type": "application"}
    return {**named, "description": f"All processes of {organisation}", "version": version, "appVersion": version}


def _values(units: Sequence[Unit]) -> dict[str, Any]:
    memory = {unit.name: {"limits": {"memory": f"{unit.memory_mb}Mi"}} for unit in units}
    return {
        "image": {"name": "", "pullPolicy": "IfNotPresent"},
        "secrets": {unit.name: f"fedledger-{unit.name}" for unit in units},
        "resources": memory,
        "volumeClaim": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "50Gi"}}},
        "rows": {"persistentVolumeClaim": {"claimName": "fedledger-rows"}},
        "service": {"type": "ClusterIP", "annotations": {}},
        "nodeSelector": {},
        "seccompProfile": {unit.name: {"type": "RuntimeDefault"} for unit in units},
    }


def _public(run: Path, organisation: str) -> dict[str, str]:
    """Return whose folder it is, and what everybody may know: the definition, and of each organisation its parts."""
    folder = folder_of(run, organisation)
    found = [folder.root / OWNER, definition_path(folder.root), *sorted(folder.terms.parent.glob("*.json"))]
    found += [path for path in sorted((folder.root / "consortium" / "orgs").rglob("*")) if path.is_file()]
    return {path.relative_to(folder.root).as_posix(): path.read_text() for path in found}


def _config_map(name: str) -> str:
    head = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": f"{{{{ .Release.Name }}}}-{name}"}}
    return _yaml(head) + f'data:\n{{{{ (.Files.Glob "files/{name}/*").AsConfig | indent 2 }}}}\n'


def _service(pod: Pod) -> dict[str, Any]:
    ports = [{"name": f"p{port}", "port": port, "targetPort": port} for port in pod.dialled]
    metadata: dict[str, Any] = {"name": pod.name, "labels": {NAMED: pod.name}}
    metadata["annotations"] = "[[ toJson .Values.service.annotations ]]"
    spec: dict[str, Any] = {"type": "{{ .Values.service.type }}", "selector": {NAMED: pod.name}, "ports": ports}
    spec["publishNotReadyAddresses"] = True  # a node that is not ready must not take its peer from the others
    return {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec}


def _stateful_set(pod: Pod, places: Places, public: list[str], settings: list[str]) -> dict[str, Any]:
    labels = {NAMED: pod.name}
    inside = {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": 30,
        "nodeSelector": "[[ toJson .Values.nodeSelector ]]",
        "hostAliases": [{"ip": EVERYWHERE, "hostnames": [pod.host]}],
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": USER_ID,
            "runAsGroup": USER_ID,
            "fsGroup": USER_ID,
            "fsGroupChangePolicy": "OnRootMismatch",
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [_container(unit, places) for unit in pod.units],
        "volumes": [volume for unit in pod.units for volume in _volumes(unit, places, public, settings)],
    }
    spec = {
        "serviceName": pod.name,
        "replicas": 1,
        "selector": {"matchLabels": labels},
        "template": {"metadata": {"labels": labels}, "spec": inside},
        "volumeClaimTemplates": [{"metadata": {"name": "data"}, "spec": "[[ toJson .Values.volumeClaim ]]"}],
    }
    head = {"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": pod.name, "labels": labels}}
    return {**head, "spec": spec}


def _container(unit: Unit, places: Places) -> dict[str, Any]:
    closed = {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
        "seccompProfile": f"[[ toJson (index .Values.seccompProfile {_quoted(unit.name)}) ]]",
    }
    probe = {"exec": {"command": works(unit, places)}, "periodSeconds": 30, "timeoutSeconds": 20, "failureThreshold": 4}
    return {
        "name": unit.name,
        "image": '{{ required "image.name: the image that holds the programs" .Values.image.name }}',
        "imagePullPolicy": "{{ .Values.image.pullPolicy }}",
        "command": list(unit.process.command),
        "env": [{"name": key, "value": value} for key, value in sorted(environment(unit).items())],
        "ports": [{"name": f"p{port}", "containerPort": port} for port in unit.dialled],
        "resources": f"[[ toJson (index .Values.resources {_quoted(unit.name)}) ]]",
        "securityContext": closed,
        "readinessProbe": probe,
        "volumeMounts": list(_mounts(unit, places)),
    }


def _mounts(unit: Unit, places: Places) -> Iterator[dict[str, Any]]:
    folder = places.folder
    owner = {"mountPath": str(folder / OWNER), "subPath": OWNER, "readOnly": True}
    yield {"name": f"folder-{unit.name}", **owner}
    for name in ("consortium", "secrets"):
        yield {"name": f"{name}-{unit.name}", "mountPath": str(folder / name), "readOnly": True}
    for path in unit.needs:
        inside = path.relative_to(folder).as_posix()
        if inside == "blobs":
            yield {"name": "data", "mountPath": str(path), "subPath": inside, "readOnly": True}
        else:
            yield {"name": f"{inside.partition('/')[0]}-{unit.name}", "mountPath": str(path), "readOnly": True}
    for path in unit.writes:
        yield {"name": "data", "mountPath": str(path), "subPath": path.relative_to(folder).as_posix()}
    for path in unit.reads:
        yield {"name": "rows", "mountPath": str(path), "readOnly": True}
    yield {"name": f"tmp-{unit.name}", "mountPath": "/tmp"}  # noqa: S108  # the container's own


def _volumes(unit: Unit, places: Places, public: list[str], settings: list[str]) -> Iterator[Any]:
    """Yield the volumes of one container: public parts, its own keys, what it reads."""
    yield {"name": f"tmp-{unit.name}", "emptyDir": {}}
    yield _projected(f"folder-{unit.name}", [_public_items([OWNER], "")])
    known = [name for name in public if name.startswith("consortium/")]
    yield _projected(f"consortium-{unit.name}", [_public_items(known, "consortium/")])
    own = _secret_items(unit, [*_identity_files(unit)], places.folder / "secrets")
    yield _projected(f"secrets-{unit.name}", [own])
    for path in unit.needs:
        inside = path.relative_to(places.folder).as_posix()
        if inside == "rendered/chaincode":
            names = [name for name in public if name.startswith(f"{inside}/")]
            yield _projected(f"rendered-{unit.name}", [_public_items(names, f"{inside}/")])
        elif inside == "rendered":
            yield _projected(f"rendered-{unit.name}", list(_fabric(unit, places, settings)))
    if unit.reads:
        yield '[[ toJson (merge (dict "name" "rows") .Values.rows) ]]'


def _fabric(unit: Unit, places: Places, settings: list[str]) -> Iterator[dict[str, Any]]:
    names = [n for n in settings if n.startswith(("rendered/builder/", f"rendered/{unit.name}/"))]
    items = [
        {
            "key": _key(name),
            "path": name.removeprefix("rendered/"),
            **({"mode": SCRIPT_MODE} if "/bin/" in name else {}),
        }
        for name in names
    ]
    yield {"configMap": {"name": "{{ .Release.Name }}-settings", "items": items}}
    if unit.connection:
        yield _secret_items(unit, [unit.connection], places.folder / "rendered")


def _projected(name: str, sources: list[dict[str, Any]]) -> dict[str, Any]:
    return {"name": name, "projected": {"sources": sources}}


def _public_items(names: list[str], below: str) -> dict[str, Any]:
    items = [{"key": _key(name), "path": name.removeprefix(below)} for name in names]
    return {"configMap": {"name": "{{ .Release.Name }}-public", "items": items}}


def _secret_items(unit: Unit, files: list[Path], below: Path) -> dict[str, Any]:
    items = []
    for path in files:
        key, inside = _key(path.relative_to(below.parent).as_posix()), path.relative_to(below).as_posix()
        items.append({"key": key, "path": inside, "mode": SECRET_MODE})
    return {"secret": {"name": f"{{{{ index .Values.secrets {_quoted(unit.name)} }}}}", "items": items}}


def _identity_files(unit: Unit) -> Iterator[Path]:
    """Yield every file of the identity that a process acts with, keys and certificates."""
    for key in unit.keys:
        if key.parent.name == "keystore":
            msp = key.parent.parent
            yield from (key, msp / "signcerts" / "cert.pem", msp / "cacerts" / "ca.pem")
            yield from (msp / "tlscacerts" / "ca.pem", msp / "config.yaml")
        else:
            yield from (key, key.with_suffix(".crt"), key.parent / "ca.crt")


def _secrets_script(units: Sequence[Unit], places: Places) -> str:
    """Return the commands that make the Secrets out of the organisation's folder; where it lies is their argument."""
    lines = ["#!/bin/sh", "# Makes the Secrets that the chart names: create-secrets.sh FOLDER [KUBECTL OPTIONS]"]
    lines += ["set -eu", "folder=$1", "shift"]
    for unit in units:
        files = [*_identity_files(unit), *([unit.connection] if unit.connection else [])]
        names = [path.relative_to(places.folder).as_posix() for path in files]
        given = [f'  --from-file={_key(name)}="$folder/{name}"' for name in names]
        lines += [" \\\n".join([f'kubectl create secret generic fedledger-{unit.name} "$@"', *given])]
    return "\n".join([*lines, ""])


def _key(name: str) -> str:
    """Return the name of a file as a key of a ConfigMap or a Secret, and in the chart."""
    return name.replace("/", "__")


def _quoted(name: str) -> str:
    return f'"{name}"'


def _template(value: Any) -> str:
    return VALUES.sub(r"{{\1}}", _yaml(value))


def _yaml(value: Any) -> str:
    return yaml.safe_dump(yaml_ready(value), sort_keys=False, width=10_000)
