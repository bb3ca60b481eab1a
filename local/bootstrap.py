"""Makes ``.venv`` from a hashed lock: ``python local/bootstrap.py requirements.txt``. Standard library only.

Nothing is done when the lock, the project file and the interpreter are those of the last time.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import time
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
STAMPS = VENV / "stamps"
_NEEDED_MB = 2000
_UNREACHABLE = (
    "NewConnectionError",
    "ConnectTimeout",
    "ReadTimeout",
    "NameResolutionError",
    "Name or service not known",
    "ProxyError",
    "SSLError",
)


class BootstrapError(Exception):
    """The environment cannot be made: what, why, and the next step."""

    def __init__(self, what: str, why: str, next_step: str) -> None:
        super().__init__(what, why, next_step)
        self.what, self.why, self.next_step = what, why, next_step


def bootstrap(lock: Path) -> None:
    """Install ``lock`` and this project into ``.venv``, unless it is done already."""
    fingerprint = fingerprint_of(lock)
    stamp = STAMPS / lock.stem
    if stamp.exists() and stamp.read_text(encoding="ascii") == fingerprint:
        return
    started = time.monotonic()
    check_space()
    if not is_usable(VENV):
        announce(f"making .venv with Python {sys.version.split()[0]}")
        make_venv()
    announce(f"installing {lock.name} (once; a few minutes)")
    pip("install", "--no-deps", "--require-hashes", "-r", str(lock))
    announce("installing this project")
    pip("install", "--no-deps", "--no-build-isolation", "-e", str(ROOT))
    STAMPS.mkdir(exist_ok=True)
    stamp.write_text(fingerprint, encoding="ascii")
    announce(f"environment ready in {time.monotonic() - started:.0f} s")


def fingerprint_of(lock: Path) -> str:
    """What the environment is made from, as one digest."""
    digest = hashlib.sha256(sys.version.encode())
    digest.update(str(ROOT).encode())
    for source in (lock, ROOT / "pyproject.toml"):
        digest.update(source.read_bytes())
    return digest.hexdigest()


def check_space() -> None:
    """Raise BootstrapError when the packages will not fit."""
    free = shutil.disk_usage(ROOT).free // 1024**2
    if free < _NEEDED_MB:
        raise BootstrapError(f"only {free} MB are free in {ROOT}", f"the packages need {_NEEDED_MB}", "free some space")


def is_usable(environment: Path) -> bool:
    """Whether the environment has a working pip of this Python version, in this place."""
    python = environment / "bin" / "python"
    probe = "import pip, sys; print(sys.version, sys.prefix)"
    if not python.exists():
        return False
    answer = subprocess.run([python, "-c", probe], capture_output=True, text=True, check=False)
    return answer.returncode == 0 and answer.stdout.strip() == f"{sys.version} {environment}"


def make_venv() -> None:
    """Make ``.venv`` anew."""
    try:
        venv.create(VENV, with_pip=True, clear=True)
    except (subprocess.CalledProcessError, OSError) as error:
        raise BootstrapError(
            ".venv could not be made",
            f"{error}",
            "install Python's venv module (Debian and Ubuntu: apt install python3-venv), or check the rights here",
        ) from error


def pip(*arguments: str) -> None:
    """Run pip in ``.venv``; raise BootstrapError with the end of its output when it fails."""
    command = [str(VENV / "bin" / "python"), "-m", "pip", "--disable-pip-version-check", "--no-input", *arguments]
    done = subprocess.run([*command, "--quiet"], capture_output=True, text=True, check=False)
    if done.returncode == 0:
        return
    output = (done.stdout + done.stderr).strip()
    why = "\n".join(output.splitlines()[-8:])
    if "No space left on device" in output:
        raise BootstrapError("packages could not be installed", "the disk is full", "free some space and try again")
    if any(sign in output for sign in _UNREACHABLE):
        raise BootstrapError(
            "the package index cannot be reached",
            why,
            "check the network, or set PIP_INDEX_URL to an index that you reach",
        )
    if "(from versions: none)" in output:  # all that pip says of an index that it asked once, in vain
        raise BootstrapError(
            "the package index lacks a package, or cannot be reached",
            why,
            "check the network, or set PIP_INDEX_URL to an index that has it",
        )
    raise BootstrapError(f"pip {arguments[0]} failed", why, "read the message above; the lock is hashed and complete")


def announce(text: str) -> None:
    """One line of progress."""
    sys.stdout.write(f"  … {text}\n")
    sys.stdout.flush()


def main() -> int:
    """The command line."""
    try:
        bootstrap(ROOT / sys.argv[1])
    except BootstrapError as error:
        sys.stderr.write(f"Failed\n  what: {error.what}\n  why:  {error.why}\n  next: {error.next_step}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
