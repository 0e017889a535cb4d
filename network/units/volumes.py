"""What the containers of a chart see: public parts, their own keys, and what stays when a pod ends."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from network.folders import OWNER
from network.units.containers import Pod
from network.units.model import Unit
from network.units.places import Places

BLOBS: Final = "blobs"
CHANNEL_BLOCK: Final = "channel.block"
SCRIPT_MODE: Final = 0o555
SECRET_MODE: Final = 0o440


@dataclass(frozen=True)
class Shown:
    """What the chart holds or names that pods of an organisation are shown.

    Attributes:
        public: Names of the public files.
        settings: Names of what Fabric's processes read.
        block: Whether the channel's first block is there.
        blobs: The volume of the organisation's blobs: `data`, which is one host's, or `blobs`, which all have.
    """

    public: list[str]
    settings: list[str]
    block: bool
    blobs: str


def blobs_volume(pods: Sequence[Pod], places: Places) -> str:
    """Return `blobs` where a chaincode process runs on another host than the node that keeps the blobs."""
    keeping = {pod.host for pod in pods for unit in pod.units if places.folder / BLOBS in unit.writes}
    reading = {pod.host for pod in pods for unit in pod.units if places.folder / BLOBS in unit.needs}
    return "data" if reading <= keeping else BLOBS


def mounts_of(unit: Unit, places: Places, shown: Shown) -> Iterator[dict[str, Any]]:
    """Yield where a container finds its volumes."""
    folder = places.folder
    owner = {"mountPath": str(folder / OWNER), "subPath": OWNER, "readOnly": True}
    yield {"name": f"folder-{unit.name}", **owner}
    for name in ("consortium", "secrets"):
        yield {"name": f"{name}-{unit.name}", "mountPath": str(folder / name), "readOnly": True}
    for path in unit.needs:
        inside = path.relative_to(folder).as_posix()
        if inside == BLOBS:
            yield {**_kept(path, inside, shown), "readOnly": True}
        else:
            yield {"name": f"{inside.partition('/')[0]}-{unit.name}", "mountPath": str(path), "readOnly": True}
    for path in unit.writes:
        yield _kept(path, path.relative_to(folder).as_posix(), shown)
    for path in unit.reads:
        yield {"name": "rows", "mountPath": str(path), "readOnly": True}
    yield {"name": f"tmp-{unit.name}", "mountPath": "/tmp"}  # noqa: S108  # the container's own


def _kept(path: Path, inside: str, shown: Shown) -> dict[str, Any]:
    """Return the mount of what stays when a pod ends."""
    if inside == BLOBS == shown.blobs:
        return {"name": BLOBS, "mountPath": str(path)}
    return {"name": "data", "mountPath": str(path), "subPath": inside}


def volumes_of(unit: Unit, places: Places, shown: Shown) -> Iterator[Any]:
    """Yield the volumes of one container: public parts, its own keys, what it reads."""
    yield {"name": f"tmp-{unit.name}", "emptyDir": {}}
    yield _projected(f"folder-{unit.name}", [_public_items([OWNER], "")])
    known = [_public_items([name for name in shown.public if name.startswith("consortium/")], "consortium/")]
    if shown.block and unit.process.service in {"orderer", "peer"}:
        items = [{"key": CHANNEL_BLOCK, "path": CHANNEL_BLOCK}]
        known.append({"configMap": {"name": "{{ .Release.Name }}-channel", "items": items}})
    yield _projected(f"consortium-{unit.name}", known)
    own = _secret_items(unit, [*identity_files(unit)], places.folder / "secrets")
    yield _projected(f"secrets-{unit.name}", [own])
    for path in unit.needs:
        inside = path.relative_to(places.folder).as_posix()
        if inside == "rendered/chaincode":
            names = [name for name in shown.public if name.startswith(f"{inside}/")]
            yield _projected(f"rendered-{unit.name}", [_public_items(names, f"{inside}/")])
        elif inside == "rendered":
            yield _projected(f"rendered-{unit.name}", list(_fabric(unit, places, shown.settings)))
    if unit.reads:
        yield '[[ toJson (merge (dict "name" "rows") .Values.rows) ]]'


def _fabric(unit: Unit, places: Places, settings: list[str]) -> Iterator[dict[str, Any]]:
    names = [n for n in settings if n.startswith(("rendered/builder/", f"rendered/{unit.name}/"))]
    items = [
        {
            "key": key_of(name),
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
    items = [{"key": key_of(name), "path": name.removeprefix(below)} for name in names]
    return {"configMap": {"name": "{{ .Release.Name }}-public", "items": items}}


def _secret_items(unit: Unit, files: list[Path], below: Path) -> dict[str, Any]:
    items = []
    for path in files:
        key, inside = key_of(path.relative_to(below.parent).as_posix()), path.relative_to(below).as_posix()
        items.append({"key": key, "path": inside, "mode": SECRET_MODE})
    return {"secret": {"name": f"{{{{ index .Values.secrets {quoted(unit.name)} }}}}", "items": items}}


def identity_files(unit: Unit) -> Iterator[Path]:
    """Yield every file of the identity that a process acts with, keys and certificates."""
    for key in unit.keys:
        if key.parent.name == "keystore":
            msp = key.parent.parent
            yield from (key, msp / "signcerts" / "cert.pem", msp / "cacerts" / "ca.pem")
            yield from (msp / "tlscacerts" / "ca.pem", msp / "config.yaml")
        else:
            yield from (key, key.with_suffix(".crt"), key.parent / "ca.crt")


def key_of(name: str) -> str:
    """Return the name of a file as a key of a ConfigMap or a Secret, and in the chart."""
    return name.replace("/", "__")


def quoted(name: str) -> str:
    """Return a name as text within an expression of the chart."""
    return f'"{name}"'
