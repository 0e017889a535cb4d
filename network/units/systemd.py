"""systemd units of one organisation: a service for each process, hardened, and a target that starts them all."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from network.units.hiding import hidden_from
from network.units.model import Unit
from network.units.places import Places

USER: Final = "fedledger"
PREFIX: Final = "fedledger-"
HARDENING: Final = """\
NoNewPrivileges=yes
CapabilityBoundingSet=
AmbientCapabilities=
ProtectSystem=strict
PrivateTmp=yes
PrivateDevices=yes
ProtectKernelTunables=yes
ProtectKernelModules=yes
ProtectKernelLogs=yes
ProtectControlGroups=yes
ProtectClock=yes
ProtectHostname=yes
LockPersonality=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
RemoveIPC=yes
SystemCallArchitectures=native
SystemCallErrorNumber=EPERM
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX AF_NETLINK"""
"""What holds for every process."""
PLANS: Final = """\
RestrictNamespaces=user net
ProtectProc=default
SystemCallFilter=@system-service seccomp landlock_create_ruleset landlock_add_rule landlock_restrict_self"""
"""What a node needs to shut plans in: a network namespace, landlock, seccomp, and to see what their processes take."""
NO_PLANS: Final = """\
RestrictNamespaces=yes
ProtectProc=invisible
SystemCallFilter=@system-service"""
HOMES: Final = ("/home", "/root", "/run/user")


def systemd_units(organisation: str, units: Sequence[Unit], places: Places) -> dict[str, str]:
    """Return name of file → content."""
    target = f"{PREFIX}{organisation}.target"
    files = {service_name(unit.name): _service(unit, units, places, target) for unit in units}
    files[target] = _target(organisation, units)
    files[f"{PREFIX}{organisation}.sysusers"] = f'u {USER} - "fedledger" {_path(places.folder)}\n'
    files[f"{PREFIX}{organisation}.tmpfiles"] = _folders(units, places)
    return files


def service_name(process: str) -> str:
    """Return the name of a process's unit."""
    return f"{PREFIX}{process}.service"


def _target(organisation: str, units: Sequence[Unit]) -> str:
    lines = ["[Unit]", f"Description=fedledger: all processes of {organisation}"]
    lines += [f"Wants={service_name(unit.name)}" for unit in units]
    return "\n".join([*lines, "", "[Install]", "WantedBy=multi-user.target", ""])


def _folders(units: Sequence[Unit], places: Places) -> str:
    """Return what systemd-tmpfiles makes before the units start: a unit whose folders lack does not start."""
    folders = sorted({path for unit in units for path in unit.writes})
    above = sorted({parent for path in folders for parent in path.parents if parent.is_relative_to(places.folder)})
    return "".join(f'd "{_path(path)}" 0700 {USER} {USER} -\n' for path in (*above, *folders))


def _service(unit: Unit, units: Sequence[Unit], places: Places, target: str) -> str:
    earlier = [service_name(other.name) for other in units if other.name in unit.after]
    lines = ["[Unit]", f"Description=fedledger: {unit.name}", f"PartOf={target}"]
    # Wants and not Requires: a peer that is started again must not stop the node, which waits for it by itself.
    lines += [f"After={' '.join(['network-online.target', *earlier])}"]
    lines += [f"Wants={' '.join(['network-online.target', *earlier])}"]
    lines += [f"RequiresMountsFor={_path(places.folder)}", "StartLimitIntervalSec=0", "", "[Service]", "Type=exec"]
    lines += [f"User={USER}", f"Group={USER}", "UMask=0077", f"WorkingDirectory={_path(places.folder)}"]
    lines += [f"Environment={_quoted(f'{k}={v}')}" for k, v in sorted(unit.process.environment.items())]
    lines += [f"ExecStart={' '.join(_quoted(word) for word in unit.process.command)}"]
    lines += ["Restart=on-failure", "RestartSec=5", "TimeoutStopSec=30", "LimitNOFILE=65536"]
    lines += [f"MemoryMax={unit.memory_mb}M", "", *_sandbox(unit, units, places)]
    return "\n".join([*lines, "", "[Install]", f"WantedBy={target}", ""])


def _sandbox(unit: Unit, units: Sequence[Unit], places: Places) -> Iterator[str]:
    yield HARDENING
    yield PLANS if unit.confines_plans else NO_PLANS
    if unit.process.command[0].startswith(str(places.bin)):
        yield "MemoryDenyWriteExecute=yes"  # not for Python, whose libraries make code as they run
    lies_at_home = any(str(path).startswith(HOMES) for path in (places.folder, places.programs, *unit.reads))
    yield f"ProtectHome={'read-only' if lies_at_home else 'yes'}"
    yield from (f"ReadWritePaths={_path(path)}" for path in unit.writes)
    yield from (f"BindReadOnlyPaths={_path(path)}" for path in unit.reads)
    yield from (f"InaccessiblePaths=-{_path(path)}" for path in hidden_from(unit, units, places))


def _quoted(word: str) -> str:
    r"""Return a word as a unit's line holds it: % and $ doubled, in quotes where it needs them (systemd.service(5))."""
    escaped = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
    return escaped if re.fullmatch(r"[\w@%+=:,./$-]+", escaped) else f'"{escaped}"'


def _path(path: Path) -> str:
    return str(path).replace("%", "%%")
