"""A page as PDF: A4, numbered, with a font of its own for Chinese."""

from pathlib import Path
from typing import Any

from firmpulse.errors import ConfigurationError
from scoring.pages import charts

_FONT_FACE = """
@font-face { font-family: "Noto Sans SC"; src: url("file://%s"); }
"""


def write(html: str, target: Path) -> Path:
    """Write a page as PDF.

    Raises:
        ConfigurationError: Pango, which sets the text, is not installed on this machine.
    """
    engine = _engine()
    style = engine.CSS(string=_FONT_FACE % charts.font_file())
    engine.HTML(string=html, url_fetcher=_only_the_font).write_pdf(target, stylesheets=[style])
    return target


def pages(html: str) -> Any:
    """Return the laid-out document, whose pages can be counted and measured."""
    engine = _engine()
    style = engine.CSS(string=_FONT_FACE % charts.font_file())
    return engine.HTML(string=html, url_fetcher=_only_the_font).render(stylesheets=[style])


def _only_the_font(url: str, *_: Any, **__: Any) -> Any:
    """Let a page fetch nothing: whatever it shows stands in it."""
    raise ValueError(f"a page may not read {url}")


def _engine() -> Any:
    try:
        import weasyprint
    except OSError as error:
        raise ConfigurationError(
            "a PDF needs Pango, which is not installed here (Debian: libpango-1.0-0 and "
            "libpangoft2-1.0-0); or print the HTML page to PDF from any browser"
        ) from error
    return weasyprint
