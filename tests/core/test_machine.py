"""What the package asks of the machine: torch is tuned, and a user who has done so already is not overruled."""

import os
import subprocess
import sys

import pytest

TUNED = ("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "THP_MEM_ALLOC_ENABLE")


@pytest.mark.parametrize("name", TUNED)
@pytest.mark.parametrize("own", [None, "7"])
def test_torch_is_tuned_before_it_computes_unless_the_user_has_done_so(name, own):
    environment = {key: value for key, value in os.environ.items() if key != name}
    code = f"import asrlab, os; print(os.environ[{name!r}])"
    run = [sys.executable, "-c", code]
    seen = subprocess.run(
        run, env=environment | ({name: own} if own else {}), capture_output=True, text=True, check=True
    )
    assert seen.stdout.strip() == own if own else int(seen.stdout) > 0
