"""All measurements, one after the other, each in a process of its own: `python -m benchmarks`.

The receipts go to benchmarks/results/. Training AN4 three times takes an hour on two cores, the six systems
of GRID three times a night; the rest some minutes each.
"""

import subprocess
import sys

ORDER = (
    "features", "decoders", "training", "pocketsphinx_an4", "fsdd", "conditions", "front_end", "encoders", "notebooks",
    "rehearsal", "small", "an4", "grid",
)  # fmt: skip


def main() -> int:
    """Run them all; returns how many failed."""
    failed = [name for name in ORDER if subprocess.run([sys.executable, "-m", f"benchmarks.{name}"]).returncode]
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    return len(failed)


if __name__ == "__main__":
    sys.exit(main())
