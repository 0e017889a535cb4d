"""A Helm chart of one organisation: a StatefulSet and a Service for each host, Secrets by their names alone."""

import base64
import importlib.metadata
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import yaml

from network.folders import OWNER, definition_path, folder_of
from network.units.containers import EVERYWHERE, USER_ID, Pod, environment, pods_of, works, yaml_ready
from network.units.model import Unit
from network.units.places import Places
from network.units.volumes import (
    BLOBS,
    CHANNEL_BLOCK,
    Shown,
    blobs_volume,
    identity_files,
    key_of,
    mounts_of,
    quoted,
    volumes_of,
)

NAMED: Final = "app.kubernetes.io/name"
VALUES: Final = re.compile(r"'?\[\[(.*?)\]\]'?")
"""Marks, in what YAML writes, an expression of the chart's values that stands for more than a string."""


def helm_chart(
    organisation: str,
    units: Sequence[Unit],
    places: Places,
    run: Path,
    settings: dict[str, str],
    block: bytes = b"",
) -> dict[str, str]:
    """Return name of file → content; no file holds a key.

    Args:
        organisation: Whose processes.
        units: They.
        places: Where folder and programs lie in the containers.
        run: The folder as it lies here, with the public parts of every organisation.
        settings: What Fabric's processes read; name relative to the folder → content.
        block: The channel's first block, which devnet's peers and orderer begin their ledgers with; Fabric's are given
            it by their administrator.

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
    files |= {f"files/public/{key_of(name)}": text for name, text in public.items()}
    files |= {f"files/settings/{key_of(name)}": text for name, text in settings.items()}
    if block:
        files["templates/channel.yaml"] = _yaml(_channel(block))
    shown = Shown(sorted(public), sorted(settings), bool(block), blobs_volume(pods, places))
    for pod in pods:
        files[f"templates/{pod.name}.yaml"] = _template(_stateful_set(pod, places, shown))
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
        "blobs": {"persistentVolumeClaim": {"claimName": "fedledger-blobs"}},
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


def _channel(block: bytes) -> dict[str, Any]:
    head = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "{{ .Release.Name }}-channel"}}
    return {**head, "binaryData": {CHANNEL_BLOCK: base64.b64encode(block).decode()}}


def _service(pod: Pod) -> dict[str, Any]:
    ports = [{"name": f"p{port}", "port": port, "targetPort": port} for port in pod.dialled]
    metadata: dict[str, Any] = {"name": pod.name, "labels": {NAMED: pod.name}}
    metadata["annotations"] = "[[ toJson .Values.service.annotations ]]"
    spec: dict[str, Any] = {"type": "{{ .Values.service.type }}", "selector": {NAMED: pod.name}, "ports": ports}
    spec["publishNotReadyAddresses"] = True  # a node that is not ready must not take its peer from the others
    return {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec}


def _stateful_set(pod: Pod, places: Places, shown: Shown) -> dict[str, Any]:
    labels = {NAMED: pod.name}
    volumes = [volume for unit in pod.units for volume in volumes_of(unit, places, shown)]
    if shown.blobs == BLOBS and any(places.folder / BLOBS in (*unit.writes, *unit.needs) for unit in pod.units):
        volumes.append('[[ toJson (merge (dict "name" "blobs") .Values.blobs) ]]')
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
        "containers": [_container(unit, places, shown) for unit in pod.units],
        "volumes": volumes,
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


def _container(unit: Unit, places: Places, shown: Shown) -> dict[str, Any]:
    closed = {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
        "seccompProfile": f"[[ toJson (index .Values.seccompProfile {quoted(unit.name)}) ]]",
    }
    probe = {"exec": {"command": works(unit, places)}, "periodSeconds": 30, "timeoutSeconds": 20, "failureThreshold": 4}
    return {
        "name": unit.name,
        "image": '{{ required "image.name: the image that holds the programs" .Values.image.name }}',
        "imagePullPolicy": "{{ .Values.image.pullPolicy }}",
        "command": list(unit.process.command),
        "env": [{"name": key, "value": value} for key, value in sorted(environment(unit).items())],
        "ports": [{"name": f"p{port}", "containerPort": port} for port in unit.dialled],
        "resources": f"[[ toJson (index .Values.resources {quoted(unit.name)}) ]]",
        "securityContext": closed,
        "readinessProbe": probe,
        "volumeMounts": list(mounts_of(unit, places, shown)),
    }


def _secrets_script(units: Sequence[Unit], places: Places) -> str:
    """Return the commands that make the Secrets out of the organisation's folder; where it lies is their argument."""
    lines = ["#!/bin/sh", "# Makes the Secrets that the chart names: create-secrets.sh FOLDER [KUBECTL OPTIONS]"]
    lines += ["set -eu", "folder=$1", "shift"]
    for unit in units:
        files = [*identity_files(unit), *([unit.connection] if unit.connection else [])]
        names = [path.relative_to(places.folder).as_posix() for path in files]
        given = [f'  --from-file={key_of(name)}="$folder/{name}"' for name in names]
        lines += [" \\\n".join([f'kubectl create secret generic fedledger-{unit.name} "$@"', *given])]
    return "\n".join([*lines, ""])


def _template(value: Any) -> str:
    return VALUES.sub(r"{{\1}}", _yaml(value))


def _yaml(value: Any) -> str:
    return yaml.safe_dump(yaml_ready(value), sort_keys=False, width=10_000)
