"""What panels and long experiments share: how each shows itself in a notebook, live and saved."""

from abc import ABC, abstractmethod
from typing import Any

from dcserver.lab import style
from dcserver.lab.figures import Chart


class Experiment(ABC):
    """A sentence, a picture and a table, with a live view where there is a kernel."""

    chart: Chart
    sentence: str
    alt: str

    @property
    @abstractmethod
    def text(self) -> str:
        """All of it in plain text."""

    @abstractmethod
    def png(self) -> bytes:
        """The picture as it stands."""

    @abstractmethod
    def widget(self) -> Any:
        """The live view, made once."""

    @abstractmethod
    def static_html(self) -> str:
        """What a reader without a kernel finds under the picture; a live view hides it."""

    def __repr__(self) -> str:
        return self.text

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> tuple[dict[str, Any], dict[str, Any]]:
        bundle: dict[str, Any] = {"text/plain": self.text, "image/png": self.png()}
        view = self.widget()._repr_mimebundle_()
        bundle.update({k: v for k, v in view.items() if k != "text/plain"})
        size = {"width": self.chart.width, "height": self.chart.height}
        return bundle, {"image/png": {"alt": f"{style.words_to_text(self.sentence)} {self.alt}", **size}}

    def _ipython_display_(self) -> None:
        """Show it; and for readers without a kernel, who see only the picture, the sentence and the table below."""
        from IPython.display import display

        bundle, metadata = self._repr_mimebundle_()
        display(bundle, raw=True, metadata=metadata)
        still = {
            "text/html": self.static_html(),
            "text/plain": "The same without a kernel: the sentence and the table.",
        }
        display(still, raw=True)
