"""Widgets: what a chapter explains, to be moved by hand.

Each is one Python class (`asrlab/widgets/NAME.py`) and one JavaScript module (`NAME.js`) on anywidget. Python hands
over data, JavaScript draws and computes: a widget does the same in a notebook with a kernel and in a page with none.
"""

from asrlab.widgets.base import Widget

__all__ = ["Widget"]
