"""Self-contained Data Docs pages.

Great Expectations' pages fetch their styles and scripts from other sites, and without them the
index is empty. The templates beside this module replace those that do.
"""

from pathlib import Path
from typing import Any

from great_expectations.render.view import DefaultJinjaIndexPageView, DefaultJinjaPageView
from jinja2 import ChoiceLoader, FileSystemLoader

_TEMPLATES = Path(__file__).with_name("templates")


class OfflinePageView(DefaultJinjaPageView):  # type: ignore[misc] # untyped library
    """Page of a suite or of a result."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.env.loader = ChoiceLoader([FileSystemLoader(_TEMPLATES), self.env.loader])


class OfflineIndexView(OfflinePageView, DefaultJinjaIndexPageView):  # type: ignore[misc] # untyped
    """Page that lists the results and the suites."""
