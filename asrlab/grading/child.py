"""The program in which a learner's code runs: started by sandbox.py as a file of its own, in an empty environment.

It is told over its standard input what to run and answers over what was its standard output; the learner's code finds
both closed, and prints into nothing. Nothing in here knows an expected result. What the learner does to this process
(patches, forged messages) changes answers, and wrong answers are all that can come of it.
"""

import builtins
import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import io
import os
import sys
import types
from pathlib import Path

HERE = Path(__file__).resolve().parent
LEARNERS_CODE = ("<cell", "<string>")  # file names of the cells, and of what they hand to exec
MAX_TEXT = 2_000  # characters of an error that travel
MAX_FIGURES, MAX_PICTURE = 8, 1_000_000  # figures of a notebook, bytes of one


def load(name):
    """A neighbouring file as a module, without the package around it."""
    spec = importlib.util.spec_from_file_location(f"_grading_{name}", HERE / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


# --- talking to the parent ------------------------------------------------------------------------


class Channel:
    """Messages in and out, over the descriptors that were 0 and 1 when the process began."""

    def __init__(self, values):
        self.values = values
        self.incoming, self.outgoing = os.dup(0), os.dup(1)
        nothing = os.open(os.devnull, os.O_RDWR)
        for descriptor in (0, 1, 2):
            os.dup2(nothing, descriptor)

    def receive(self):
        """(header, value) of the next message; ends the process where there is none."""
        (length,) = self.values.LENGTH.unpack(self._exactly(self.values.LENGTH.size))
        header, size = self.values.read_header(self._exactly(length))
        return header, self.values.read_value(header, self._exactly(size))

    def send(self, header, value=None):
        data = memoryview(self.values.encode(header, value))
        while data:
            data = data[os.write(self.outgoing, data) :]

    def _exactly(self, size):
        parts = []
        while size:
            part = os.read(self.incoming, min(size, 1 << 20))
            if not part:
                os._exit(0)  # the parent is gone, or has heard enough
            parts.append(part)
            size -= len(part)
        return b"".join(parts)


# --- what the learner's code finds ----------------------------------------------------------------


class Hidden(ImportError):
    """Something that holds answers was used."""


class HiddenModules(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Modules with answers can be imported, so that a notebook which compares itself with them runs, and do nothing."""

    def __init__(self, names):
        self.names = tuple(names)

    def find_spec(self, name, path=None, target=None):
        if any(name == one or name.startswith(f"{one}.") for one in self.names):
            return importlib.machinery.ModuleSpec(name, self, is_package=True)
        return None

    def create_module(self, spec):
        return None

    def exec_module(self, module):
        def answer(attribute):
            def refuse(*args, **kwargs):
                if attribute in ("check", "hint", "solution"):
                    return Silent()
                raise Hidden(f"{module.__name__}.{attribute} is not to be had while you are graded")

            if attribute.startswith("__"):
                raise AttributeError(attribute)
            return refuse

        module.__getattr__ = answer


class Silent:
    """What check() and hint() return here: nothing to see, and the notebook goes on."""

    verdict, points = None, 0

    def __bool__(self):
        return False

    def require(self):
        return self


class Watch:
    """A profile function that notes the banned names that the learner's code calls while an answer is computed."""

    def __init__(self, banned):
        self.banned, self.seen = tuple(banned), []
        self.targets = {}
        for name in banned:
            found = unwrapped(resolve(name))
            if found is not None:
                self.targets[id(getattr(found, "__code__", found))] = name

    def __call__(self, frame, event, arg):
        if event == "call":
            caller, called = frame.f_back, frame.f_code
            name = f"{frame.f_globals.get('__name__')}.{called.co_name}"
        elif event == "c_call":
            caller, called = frame, arg
            name = f"{getattr(arg, '__module__', None)}.{getattr(arg, '__name__', None)}"
        else:
            return
        if caller is None or not caller.f_code.co_filename.startswith(LEARNERS_CODE):
            return  # a library called a library
        known = self.targets.get(id(called))
        if known or any(name == one or name.startswith(f"{one}.") for one in self.banned):
            self.seen.append(known or name)


def resolve(name):
    """What a full name means at present, None where it was never imported."""
    parts = name.split(".")
    for cut in range(len(parts), 0, -1):
        found = sys.modules.get(".".join(parts[:cut]))
        if found is not None:
            for part in parts[cut:]:
                found = getattr(found, part, None)
            return None if isinstance(found, types.ModuleType) else found
    return None


def unwrapped(function):
    while hasattr(function, "__wrapped__"):
        function = function.__wrapped__
    return function


def no_input(prompt=""):
    raise EOFError("input() waits for a keyboard, and nobody sits at one while you are graded")


# --- running --------------------------------------------------------------------------------------


def told(error):
    """An exception, as a message: its kind, type, text, and the last line of a cell that it went through."""
    line, trace = None, error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename.startswith("<cell"):
            line = trace.tb_lineno
        trace = trace.tb_next
    try:
        text = str(error)[:MAX_TEXT]
    except BaseException:
        text = "(an exception that cannot be shown)"
    if isinstance(error, SyntaxError):
        line = error.lineno
    name = getattr(error, "name", None) if isinstance(error, NameError) else None
    kinds = ((NotImplementedError, "stub"), (SystemExit, "exit"), (SyntaxError, "syntax"), (MemoryError, "memory"),
             (Hidden, "forbidden"), (EOFError, "input"), (RecursionError, "recursion"))  # fmt: skip
    kind = next((kind for family, kind in kinds if isinstance(error, family)), "error")
    return {"kind": kind, "type": type(error).__name__[:80], "text": text, "line": line, "name": name}


def run_cell(cell, namespace, channel, figures):
    channel.send({"event": "begin", "number": cell["number"]})
    problem = None
    try:
        exec(compile(cell["source"], f"<cell {cell['number']}>", "exec", dont_inherit=True), namespace)
    except BaseException as error:
        problem = told(error)
    channel.send({"event": "cell", "number": cell["number"], "error": problem, "figures": pictures(figures)})


def pictures(left):
    """The figures that are open, as PNG in base64, and closed."""
    pyplot = sys.modules.get("matplotlib.pyplot")
    if pyplot is None:
        return []
    import base64

    found = []
    try:
        for number in pyplot.get_fignums():
            if left[0] > 0:
                picture = io.BytesIO()
                pyplot.figure(number).savefig(picture, format="png", dpi=72)
                if picture.tell() <= MAX_PICTURE:
                    found.append(base64.b64encode(picture.getvalue()).decode())
                    left[0] -= 1
        pyplot.close("all")
    except BaseException:
        return found  # a figure that cannot be drawn is no reason to fail
    return found


def answer(request, arguments, namespace, values):
    """(header, value) of the reply to one call."""
    function = namespace.get(request["function"])
    if not callable(function):
        return {
            "error": {"kind": "missing", "type": "", "text": type(function).__name__, "line": None, "name": None}
        }, None
    watch = Watch(request["banned"])
    try:
        sys.setprofile(watch)
        try:
            result = function(*arguments)
            watching = sys.getprofile() is watch
        finally:
            sys.setprofile(None)
        if watch.seen or not watching:
            what = watch.seen[0] if watch.seen else "sys.setprofile"
            return {"error": {"kind": "forbidden", "type": "", "text": what[:200], "line": None, "name": None}}, None
        return {"error": None}, [values.plain(result), values.plain(arguments)]
    except values.ValueRefused as refusal:
        return {"error": {"kind": "type", "type": "", "text": str(refusal)[:200], "line": None, "name": None}}, None
    except BaseException as error:
        return {"error": told(error)}, None


def main():
    values, confine = load("values"), load("confine")
    channel = Channel(values)
    options, _ = channel.receive()
    os.chdir(options["folder"])
    sys.path.insert(0, options["package"])  # the package that grades, not another one that is installed
    importlib.import_module("asrlab")
    sys.path.append(sys.path.pop(0))
    sys.meta_path.insert(0, HiddenModules(options["hidden"]))
    builtins.input = no_input
    notebook = types.ModuleType("__main__")
    vars(notebook)["display"] = lambda *shown, **options: None  # as IPython has it
    sys.modules["__main__"] = notebook
    for name in ("quit", "exit"):
        builtins.__dict__.pop(name, None)
        setattr(notebook, name, sys.exit)
    channel.send({"event": "ready", "in_force": confine.confine(options)})
    figures = [MAX_FIGURES]
    for cell in options["cells"]:
        run_cell(cell, notebook.__dict__, channel, figures)
    channel.send({"event": "idle"})
    while True:
        request, arguments = channel.receive()
        header, value = answer(request, arguments, notebook.__dict__, values)
        channel.send({"event": "reply", **header}, value)


if __name__ == "__main__":
    main()
