"""Self-contained Data Docs pages.

Great Expectations' pages fetch their styles and scripts from other sites, and without them the
index is empty. The templates beside this module replace those that do.
"""

from pathlib import Path
from typing import Any

from great_expectations.render.view import DefaultJinjaIndexPageView, DefaultJinjaPageView
from jinja2 import BytecodeCache, ChoiceLoader, FileSystemLoader
from jinja2.bccache import Bucket

_TEMPLATES = Path(__file__).with_name("templates")


class _Compiled(BytecodeCache):
    """Templates that this process has compiled; each page would compile them anew."""

    def __init__(self) -> None:
        self._kept: dict[str, bytes] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        """Give what was compiled of the same text."""
        if bucket.key in self._kept:
            bucket.bytecode_from_string(self._kept[bucket.key])

    def dump_bytecode(self, bucket: Bucket) -> None:
        """Keep what was compiled."""
        self._kept[bucket.key] = bucket.bytecode_to_string()


_COMPILED = _Compiled()


class OfflinePageView(DefaultJinjaPageView):  # type: ignore[misc] # untyped library
    """Page of a suite or of a result."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.env.loader = ChoiceLoader([FileSystemLoader(_TEMPLATES), self.env.loader])
        self.env.bytecode_cache = _COMPILED


class OfflineIndexView(OfflinePageView, DefaultJinjaIndexPageView):  # type: ignore[misc] # untyped
    """Page that lists the results and the suites."""
