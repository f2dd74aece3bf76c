"""Which function computes which numbered equation of the book.

`@equation("ctc-forward")` says so at the function. `@pytest.mark.equation("ctc-forward")` says so at its test. The
build of the book reads both from the sources, and stops if an equation has no function, a function no test, or a label
no equation.
"""

from collections.abc import Callable
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., Any])


def equation(*labels: str) -> Callable[[F], F]:
    """Mark a function as the code of the equations with these labels; it is otherwise unchanged."""

    def mark(function: F) -> F:
        function.equations = labels  # type: ignore[attr-defined]
        return function

    return mark
