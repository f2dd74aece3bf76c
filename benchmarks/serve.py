"""The half of `peers.Peer` that runs in the peer's environment: standard library only, since asrlab is not
installed there.

    from serve import serve
    serve({"decode": decode})       # decode(**arguments) returns something that JSON can hold
"""

from __future__ import annotations

import json
import os
import sys
import time
import traceback
from collections.abc import Callable, Mapping


def serve(functions: Mapping[str, Callable]) -> None:
    """Answer calls until the other side hangs up: one JSON object a line in, one out.

    In:   {"function": name, "arguments": {...}}
    Out:  {"result": ..., "seconds": the time that the call took here, without the transport}, or {"error": text}
    """
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what libraries print, from C as well, must not get in between the answers
    for line in sys.stdin:
        call = json.loads(line)
        try:
            began = time.perf_counter()
            result = functions[call["function"]](**call["arguments"])
            answer = {"seconds": time.perf_counter() - began, "result": result}
        except Exception:
            answer = {"error": traceback.format_exc()}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()
