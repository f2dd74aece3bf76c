"""What all widgets share on the Python side: one JavaScript text made of `shared.js` and the widget's own module."""

from __future__ import annotations

from pathlib import Path

import traitlets

from asrlab.core.errors import AsrlabError

try:
    import anywidget
except ImportError as error:
    raise AsrlabError(f"asrlab.widgets needs anywidget ({error}): pip install anywidget") from None

FOLDER = Path(__file__).parent


def script(module: str) -> str:
    """The JavaScript of a widget: its name, the shared helpers, its own module.

    One text, because anywidget loads it from a blob: address, from where nothing can be imported.
    Raises AsrlabError if there is no such module.
    """
    own = FOLDER / f"{module}.js"
    if not own.is_file():
        raise AsrlabError(f"asrlab/widgets/{module}.js: no such file; write it, or name another module")
    shared = (FOLDER / "shared.js").read_text(encoding="utf-8")
    return f'const WIDGET = "{module}";\n{shared}\n{own.read_text(encoding="utf-8")}'


def style(module: str) -> str:
    """The style sheet of a widget: the shared one, and its own if it has one."""
    paths = (FOLDER / "shared.css", FOLDER / f"{module}.css")
    return "\n".join(path.read_text(encoding="utf-8") for path in paths if path.is_file())


class Widget(anywidget.AnyWidget):
    """A widget with the script and style of its module: `class HmmTrellis(Widget, module="hmm_trellis")`.

    height  about how many pixels it takes on a wide page and on a phone: as much is kept free for it until it is there
    """

    height: traitlets.List = traitlets.List().tag(sync=True)
    _height = (320, 320)

    @traitlets.default("height")
    def _default_height(self) -> list[int]:
        return list(self._height)

    def __init_subclass__(cls, module: str = "", height: tuple[int, int] | None = None, **options) -> None:
        if height:
            cls._height = height
        super().__init_subclass__(**options)
        if module:
            cls._esm, cls._css = script(module), style(module)
