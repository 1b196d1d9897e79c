"""How one file writes a column, where that differs from the contract."""

import re
import unicodedata
from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

# Words of strptime that a format may have; a minus allows numbers without leading zeros.
_WORDS = re.compile(r"(?:[^%]|%-[djmyHIMS]|%[YymdHMSfjbBpI%])+")
# Words of which a format needs one: it says a day or a time.
_SAYS_MOMENT = re.compile(r"(?<!%)(?:%%)*%-?[YymdHMSfjIbB]")


def _is_date_format(text: str) -> str:
    """Refuse a format that is none of strptime's, or says no day or time."""
    if not (_WORDS.fullmatch(text) and _SAYS_MOMENT.search(text)):
        raise ValueError("must be a format of dates such as %d/%m/%Y or %Y%m%d%H%M%S")
    return text


DateFormat = Annotated[str, AfterValidator(_is_date_format)]
# From the file's unit to the contract's; the reader multiplies decimals of this size.
Factor = Annotated[Decimal, Field(gt=0, max_digits=10, decimal_places=4)]
# A workbook keeps 15 digits of a number.
Digits = Annotated[int, Field(ge=1, le=15)]


class ColumnReading(BaseModel):
    """How a file writes one column; empty where it writes what the contract reads."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    # Text in the file, tidied, to a text that the contract reads; null for "empty".
    values: Mapping[str, str | None] = {}
    # Format of dates and times, as strptime writes it; then no other form is read.
    format: DateFormat | None = None
    # Factor from the file's unit to the contract's.
    factor: Factor | None = None
    # Decimal mark; with a comma, points, spaces and apostrophes group digits.
    decimal: Literal[".", ","] = "."
    # Fewest digits of a number that a workbook keeps as a number: it lost the zeros before them.
    digits: Digits | None = None
    # Value of the direction for amounts without a minus, in a column of signed amounts.
    positive: str | None = None

    @property
    def substitutes(self) -> Mapping[str, str | None]:
        """The map of values, with its texts as the reader compares them."""
        return {_tidy(text): value for text, value in self.values.items()}


def _tidy(text: str) -> str:
    return unicodedata.normalize("NFKC", text).strip()


AS_IN_CONTRACT = ColumnReading()
