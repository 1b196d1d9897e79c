"""A page as PDF: A4, numbered, with an embedded font for Chinese."""

from pathlib import Path
from typing import Any

from firmpulse.errors import ConfigurationError
from firmpulse.pages import charts

_FONT_FACE = """
@font-face { font-family: "Noto Sans SC"; src: url("file://%s"); }
"""


def write(html: str, target: Path) -> Path:
    """Write a page as PDF.

    Raises:
        ConfigurationError: Pango, which sets the text, is not installed on this machine.
    """
    pages(html).write_pdf(target)
    return target


def pages(html: str) -> Any:
    """Return the laid-out document; its pages can be counted and measured.

    The page is self-contained and fetches nothing.

    Raises:
        ConfigurationError: Pango is not installed on this machine.
    """
    engine = _engine()
    nothing = engine.urls.URLFetcher(allowed_protocols=())
    fonts = engine.text.fonts.FontConfiguration()
    style = engine.CSS(string=_FONT_FACE % charts.font_file(), font_config=fonts)
    page = engine.HTML(string=html, url_fetcher=nothing)
    return page.render(stylesheets=[style], font_config=fonts)


def _engine() -> Any:
    try:
        import weasyprint
        import weasyprint.text.fonts
        import weasyprint.urls
    except OSError as error:
        raise ConfigurationError(
            "a PDF needs Pango, which is not installed here (Debian: libpango-1.0-0 and "
            "libpangoft2-1.0-0); or print the HTML page to PDF from any browser"
        ) from error
    return weasyprint
