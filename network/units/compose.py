"""A compose file of one organisation: a service for each process, those of one host in one network namespace."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import yaml

from network.folders import OWNER
from network.units.containers import EVERYWHERE, USER_ID, Pod, environment, pods_of, works
from network.units.hiding import hidden_from
from network.units.model import Unit
from network.units.places import Places

IMAGE: Final = "${FEDLEDGER_IMAGE:?name the image that holds the programs}"
NODE_PROFILE: Final = "seccomp-node.json"
# Containers without capabilities may make a network namespace of their own only where seccomp lets them make a user
# namespace, which the engines' own profile does not. So a node has a profile that lets it, and refuses what changes a
# machine; its plans are shut in further by the node itself (docs/decisions/0014).
REFUSED: Final = (
    *("acct", "add_key", "bpf", "clock_adjtime", "clock_settime", "create_module", "delete_module", "finit_module"),
    *("fsconfig", "fsmount", "fsopen", "fspick", "init_module", "io_uring_enter", "io_uring_register"),
    *("io_uring_setup", "ioperm", "iopl", "kcmp", "kexec_file_load", "kexec_load", "keyctl", "lookup_dcookie", "mount"),
    *("mount_setattr", "move_mount", "move_pages", "name_to_handle_at", "nfsservctl", "open_by_handle_at", "open_tree"),
    *("perf_event_open", "personality", "pivot_root", "process_vm_readv", "process_vm_writev", "ptrace", "quotactl"),
    *("reboot", "request_key", "setdomainname", "sethostname", "setns", "settimeofday", "swapoff", "swapon", "syslog"),
    *("umount", "umount2", "userfaultfd", "vhangup"),
)


def compose_files(organisation: str, units: Sequence[Unit], places: Places, run: Path) -> dict[str, str]:
    """Return name of file → content.

    Args:
        organisation: Whose processes.
        units: They.
        places: Where folder and programs lie, on the host and in the containers alike.
        run: The folder as it lies here: it says which authorities' keys have to be hidden.

    Raises:
        NetworkError: FL1082, a host of the organisation is an address.
    """
    services = {}
    for pod in pods_of(organisation, units):
        first, *others = pod.units
        services[first.name] = _service(first, units, places, run) | _namespace(pod)
        for unit in others:
            services[unit.name] = _service(unit, units, places, run) | {"network_mode": f"service:{first.name}"}
            services[unit.name]["depends_on"] = _depends(unit, pod)
    value = {"name": f"fedledger-{organisation}", "services": services, "networks": {"federation": {}}}
    files = {"compose.yaml": yaml.safe_dump(value, sort_keys=False, width=120)}
    if any(unit.confines_plans for unit in units):
        refused = {"names": sorted(REFUSED), "action": "SCMP_ACT_ERRNO", "errnoRet": 1}
        files[NODE_PROFILE] = json.dumps({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [refused]}, indent=1) + "\n"
    return files


def _service(unit: Unit, units: Sequence[Unit], places: Places, run: Path) -> dict[str, Any]:
    check = ["CMD", *_escaped(works(unit, places))]
    security = ["no-new-privileges:true"] + ([f"seccomp=./{NODE_PROFILE}"] if unit.confines_plans else [])
    return {
        "image": IMAGE,
        "entrypoint": _escaped(unit.process.command),
        "environment": {key: _escape(value) for key, value in sorted(environment(unit).items())},
        "user": f"{USER_ID}:{USER_ID}",
        "read_only": True,
        "tmpfs": ["/tmp"],  # noqa: S108  # the container's own
        "cap_drop": ["ALL"],
        "security_opt": security,
        "mem_limit": f"{unit.memory_mb}m",
        "ulimits": {"nofile": 65536},
        "restart": "on-failure",
        "stop_grace_period": "30s",
        "healthcheck": {"test": check, "interval": "30s", "timeout": "20s", "retries": 4, "start_period": "120s"},
        "volumes": list(_volumes(unit, units, places, run)),
    }


def _namespace(pod: Pod) -> dict[str, Any]:
    """Return what the first service of a host has for all: the host's name, and the ports that others dial."""
    return {
        "networks": {"federation": {"aliases": [pod.host]}},
        "extra_hosts": [f"{pod.host}:{EVERYWHERE}"],
        "ports": [f"{port}:{port}" for port in pod.dialled],
    }


def _depends(unit: Unit, pod: Pod) -> dict[str, Any]:
    first, *_ = pod.units
    earlier = [other.name for other in pod.units if other.name in unit.after and other is not first]
    owner = {first.name: {"condition": "service_started", "restart": True}}  # its network namespace ends with it
    return {**owner, **{name: {"condition": "service_started"} for name in earlier}}


def _volumes(unit: Unit, units: Sequence[Unit], places: Places, run: Path) -> Iterator[dict[str, Any]]:
    """Yield what of the host's folders a process sees: public parts and its own keys, its ledger to write."""
    secrets = places.organisation(unit.process.organisation).secrets
    for path in (places.folder / OWNER, places.folder / "consortium", secrets, *unit.needs, *unit.reads):
        yield _bound(path, path, read_only=True)
    for path in (path for path in hidden_from(unit, units, places) if path.is_relative_to(secrets)):
        if (run / path.relative_to(places.folder)).is_dir():
            yield {"type": "tmpfs", "target": _escape(str(path))}
        elif (run / path.relative_to(places.folder)).exists():
            yield _bound(Path("/dev/null"), path, read_only=True)
    for path in unit.writes:
        yield _bound(path, path, read_only=False)


def _bound(source: Path, target: Path, *, read_only: bool) -> dict[str, Any]:
    bound: dict[str, Any] = {"type": "bind", "source": _escape(str(source)), "target": _escape(str(target))}
    return {**bound, "read_only": read_only, "bind": {"create_host_path": False}}


def _escaped(words: Sequence[str]) -> list[str]:
    return [_escape(word) for word in words]


def _escape(text: str) -> str:
    return text.replace("$", "$$")
