"""Make the course's environment in .venv: the locked requirements and asrlab itself.

Runs on a bare Python with pip, so it imports the standard library only. uv, fetched by pip, installs in parallel; where
it cannot (an index that only pip is configured for), pip does the same work more slowly. A stamp inside .venv holds the
hash of what was installed: the next call returns at once.
"""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
VENV = ROOT / ".venv"
PYTHON = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
STAMP = VENV / "asrlab-environment"
SUPPORTED = ((3, 10), (3, 13))


def wanted() -> str:
    """Hash of everything that decides what the environment holds."""
    parts = [(ROOT / name).read_bytes() for name in ("requirements.txt", "pyproject.toml")]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()


def check_python() -> None:
    low, high = SUPPORTED
    if not low <= sys.version_info[:2] <= high:
        sys.exit(
            f"Python {sys.version_info[0]}.{sys.version_info[1]} ({sys.executable}): the course needs "
            f"{low[0]}.{low[1]} to {high[0]}.{high[1]}. Name another one: make book PYTHON=python3.12"
        )


def uv_environment() -> dict:
    """The variables of this process; an index that only pip was told of is passed on to uv."""
    env = dict(os.environ)
    if env.get("PIP_INDEX_URL") and not (env.get("UV_DEFAULT_INDEX") or env.get("UV_INDEX_URL")):
        env["UV_DEFAULT_INDEX"] = env["PIP_INDEX_URL"]
    if env.get("PIP_EXTRA_INDEX_URL") and not (env.get("UV_INDEX") or env.get("UV_EXTRA_INDEX_URL")):
        env["UV_INDEX"] = env["PIP_EXTRA_INDEX_URL"]
    return env


def run(*command, **kwargs) -> bool:
    return subprocess.run([str(part) for part in command], cwd=ROOT, **kwargs).returncode == 0


def make_venv() -> None:
    """Debian's Python without python3-venv cannot give a venv its pip: uv then makes the environment."""
    if PYTHON.exists() and run(PYTHON, "-m", "pip", "--version", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL):
        return
    if run(sys.executable, "-m", "venv", VENV):
        return
    tools = ROOT / ".cache" / "uv"
    env = {**uv_environment(), "PYTHONPATH": str(tools)}
    if not (
        run(sys.executable, "-m", "pip", "install", "--quiet", "--target", tools, "uv")
        and run(sys.executable, "-m", "uv", "venv", "--seed", "--clear", VENV, env=env)
    ):
        sys.exit(f"{VENV}: could not make a virtual environment; install Python's venv module (Debian: python3-venv)")


def install() -> None:
    pip = [PYTHON, "-m", "pip", "install"]
    uv = [PYTHON, "-m", "uv", "pip", "install", "--python", PYTHON]
    with_uv = run(*pip, "--quiet", "uv")
    for arguments in (["-r", "requirements.txt"], ["--no-deps", "-e", "."]):
        if not (with_uv and run(*uv, *arguments, env=uv_environment())) and not run(*pip, *arguments):
            sys.exit("The environment could not be installed: see the messages above. Is the network reachable?")


def main() -> None:
    if STAMP.exists() and STAMP.read_text() == wanted():
        return
    check_python()
    print(f"Making the environment in {VENV} (once; a few minutes, most of them downloads)", flush=True)
    make_venv()
    install()
    STAMP.write_text(wanted())


if __name__ == "__main__":
    main()
