"""The book's job for Slurm, with stand-ins for its commands: stopped it goes back into the queue, done it does not."""

import os
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import toy
import yaml

from asrlab.core.sources import PACKAGE
from asrlab.corpora.manifest import save_manifest

PAGE = PACKAGE.parent / "book" / "4-worked-code" / "many-machines.md"
SRUN = """\
#!/bin/bash
# Two processes, as Slurm starts them; once the first epoch is logged the second is asked to stop, if STOP says so.
for id in 0 1; do SLURM_PROCID=$id SLURM_LOCALID=$id "$@" & started[id]=$!; done
if [ -n "$STOP" ]; then
  until [ -s "$STOP/log.jsonl" ]; do sleep 0.05; kill -0 ${started[1]} || exit 1; done
  kill -TERM ${started[1]}
fi
wait ${started[0]} && wait ${started[1]}
"""
SCONTROL = """\
#!/bin/bash
if [ "$1" = show ]; then echo localhost; else echo "$@" >> "$QUEUE"; fi
"""

pytestmark = pytest.mark.skipif(
    not PAGE.exists() or shutil.which("bash") is None, reason="needs bash, and the book beside the package"
)


def test_the_job_stops_goes_back_into_the_queue_and_ends(tmp_path):
    for split, utterances in toy.corpus(tmp_path, train=12, dev=2, test=2).splits.items():
        save_manifest(utterances, tmp_path / "corpus" / f"{split}.jsonl")
    (tmp_path / "large.yaml").write_text(yaml.safe_dump({**toy.TINY, "corpus": "corpus", "epochs": 12}))
    (job_text,) = re.findall(r"^```bash\n(#!/bin/bash\n#SBATCH.*?)^```", PAGE.read_text(encoding="utf-8"), re.M | re.S)
    (tmp_path / "train.sbatch").write_text(job_text)
    programs = {"srun": SRUN, "scontrol": SCONTROL, "python": f'#!/bin/bash\nexec "{sys.executable}" "$@"\n'}
    for name, text in programs.items():
        path = tmp_path / "bin" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        path.chmod(0o755)
    queue, run = tmp_path / "queue", tmp_path / "run"
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]

    def job(stop: Path | str) -> subprocess.CompletedProcess:
        own = {
            "SLURM_NTASKS": "2", "SLURM_NTASKS_PER_NODE": "2", "SLURM_JOB_NODELIST": "n1", "SLURM_JOB_ID": "7",
            "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}", "PYTHONPATH": str(PACKAGE.parent), "QUEUE": str(queue),
            "SLURM_CPUS_PER_TASK": "1", "CUDA_VISIBLE_DEVICES": "", "MASTER_PORT": str(port), "STOP": str(stop),
        }  # fmt: skip
        return subprocess.run(
            ["bash", tmp_path / "train.sbatch", tmp_path / "large.yaml", run],
            capture_output=True, text=True, timeout=300, cwd=tmp_path, env={**os.environ, **own},
        )  # fmt: skip

    stopped = job(run)
    assert stopped.returncode == 0, stopped.stderr[-3000:]
    assert "all is saved" in stopped.stderr
    assert queue.read_text() == "requeue 7\n"
    assert len((run / "log.jsonl").read_text().splitlines()) < 12 and not (run / "receipt.json").exists()
    done = job("")
    assert done.returncode == 0, done.stderr[-3000:]
    assert queue.read_text() == "requeue 7\n"
    assert len((run / "log.jsonl").read_text().splitlines()) == 12 and (run / "receipt.json").exists()
