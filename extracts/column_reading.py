"""How one file writes a column, where that differs from the contract."""

import unicodedata
from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

# Words of strptime that a format may have, and what a date needs of them.
_WORDS = frozenset("YymdHMSfjbBpIZz%-")
_NUMBER_WORDS = frozenset("YymdHMSfjI")


def _is_date_format(text: str) -> str:
    """Refuse a format that is none of strptime's, or says no day or time."""
    words = {text[at + 1 : at + 2] for at, sign in enumerate(text) if sign == "%"}
    if not words & _NUMBER_WORDS or not words <= _WORDS:
        raise ValueError("must be a format of dates such as %d/%m/%Y or %Y%m%d%H%M%S")
    return text


DateFormat = Annotated[str, AfterValidator(_is_date_format)]


class ColumnReading(BaseModel):
    """How a file writes one column; empty where it writes what the contract reads."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    # Text in the file, tidied, to a text that the contract reads; null for "empty".
    values: Mapping[str, str | None] = {}
    # Format of dates and times, as strptime writes it; then no other form is read.
    format: DateFormat | None = None
    # Factor from the file's unit to the contract's.
    factor: Annotated[Decimal, Field(gt=0, max_digits=10, decimal_places=4)] | None = None
    # Decimal mark; with a comma, points, spaces and apostrophes group digits.
    decimal: Literal[".", ","] = "."
    # Value of the direction for amounts without a minus, in a column of signed amounts.
    positive: str | None = None

    @property
    def substitutes(self) -> Mapping[str, str | None]:
        """The map of values, with its texts as the reader compares them."""
        return {_tidy(text): value for text, value in self.values.items()}


def _tidy(text: str) -> str:
    return unicodedata.normalize("NFKC", text).strip()


AS_IN_CONTRACT = ColumnReading()
