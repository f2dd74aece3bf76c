"""What this process may use of the machine."""

import os


def cores() -> int:
    """Cores that this process may use: fewer than the machine has, in a container or under taskset."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
