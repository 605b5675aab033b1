"""A number said before it is measured: what one has guessed, one remembers."""

from __future__ import annotations

from typing import Any


class Prediction:
    """A question with a number field under it. ``value`` is what stands in it now, or the default where nobody typed."""

    def __init__(self, question: str, *, unit: str, default: float) -> None:
        self.question = question
        self.unit = unit
        self.value = default
        self.committed = False
        self._widget: Any = None

    def commit(self, value: float) -> None:
        """What the button does."""
        self.value = value
        self.committed = True

    def against(self, measured: float, model: float | None = None) -> Verdict:
        """The guess beside what was measured and, where there is one, what a model says."""
        return Verdict(self, measured, model)

    def __repr__(self) -> str:
        return f"{self.question} [{self.unit}]"

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        if self._widget is None:
            self._widget = self._make_widget()
        # The text is the same with and without somebody there: it is what a stored notebook keeps.
        return {**self._widget._repr_mimebundle_(), "text/plain": repr(self)}

    def _make_widget(self) -> Any:
        import ipywidgets

        question = ipywidgets.Label(self.question)
        field_type = ipywidgets.IntText if isinstance(self.value, int) else ipywidgets.FloatText
        field = field_type(value=self.value, description=self.unit, tooltip=self.question)
        button = ipywidgets.Button(description="That is my guess", tooltip=f"Commit the guess: {self.question}")
        said = ipywidgets.Label("")

        def commit(_: Any) -> None:
            self.commit(field.value)
            field.disabled = button.disabled = True
            said.value = "Noted. Now measure it."

        button.on_click(commit)
        # A number that was typed counts without the button too: the next cell may be run by the keyboard alone.
        field.observe(lambda change: setattr(self, "value", change["new"]), names="value")
        return ipywidgets.VBox([question, ipywidgets.HBox([field, button, said])])


class Verdict:
    """Guess, measured and model side by side."""

    def __init__(self, prediction: Prediction, measured: float, model: float | None) -> None:
        self.prediction = prediction
        self.guess = prediction.value
        self.measured = measured
        self.model = model

    @property
    def factor(self) -> float:
        """How many times too high or too low the guess was, at least 1; infinite where just one of them is 0."""
        low, high = sorted((abs(self.guess), abs(self.measured)))
        if low == high:
            return 1.0
        return high / low if low else float("inf")

    def __repr__(self) -> str:
        rows = [("your guess", self.guess), ("measured", self.measured)]
        if self.model is not None:
            rows.append(("the model", self.model))
        numbers = [f"{value:,.6g}" for _, value in rows]
        width = max(map(len, numbers))
        lines = [
            f"{label:<10}  {number:>{width}} {self.prediction.unit}" for (label, _), number in zip(rows, numbers, strict=True)
        ]
        return "\n".join([self.prediction.question, *lines])


def predict(question: str, *, unit: str = "", default: float = 0) -> Prediction:
    """Ask before measuring. As a cell's last value it shows a number field; it doesn't wait for an answer.

    The answer is read when ``.against(measured, model=…)`` is called; with nobody there (a test run) it is ``default``.
    """
    return Prediction(question, unit=unit, default=default)
