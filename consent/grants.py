"""What a firm may authorise: one source, one purpose, one window, one period, one recipient."""

from dataclasses import dataclass
from datetime import date

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from firmpulse import uscc
from firmpulse.errors import GrantError

PURPOSES = ("CREDIT_EVAL", "POST_LOAN_MONITOR", "MODEL_TRAINING")
SOURCES = ("tax", "bank", "supply_chain", "power")


@dataclass(frozen=True)
class Grant:
    """One authorisation as it comes in; the ledger keeps only the token of `firm`."""

    authorization_id: str
    # Identifier in the form scheme:value.
    firm: str
    source: str
    purpose: str
    recipient: str
    # First day whose events may be used.
    window_start: date
    # First and last day of the authorisation.
    valid_from: date
    valid_to: date
    # Version of the text that the firm agreed to.
    text_version: str


class _Line(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    authorization_id: str = Field(min_length=1)
    firm: str = Field(pattern="^[a-z][a-z0-9_]*:.+$")
    source: str
    purpose: str
    recipient: str = Field(min_length=1)
    window_start: date
    valid_from: date
    valid_to: date
    text_version: str = Field(min_length=1)

    @model_validator(mode="after")
    def _is_a_grant(self) -> "_Line":
        if self.source not in SOURCES:
            raise ValueError(f"source is none of {', '.join(SOURCES)}")
        if self.purpose not in PURPOSES:
            raise ValueError(f"purpose is none of {', '.join(PURPOSES)}")
        if self.valid_to < self.valid_from:
            raise ValueError("valid_to is before valid_from")
        return self


def parse(line: str | bytes) -> Grant:
    """Return the grant of one JSON line.

    Raises:
        GrantError: the line is no grant; the message holds no identifier.
    """
    try:
        fields = _Line.model_validate_json(line)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False, include_context=False)[0]
        place = ".".join(str(part) for part in first["loc"]) or "grant"
        raise GrantError(f"{place}: {first['msg']}") from None
    scheme, _, value = fields.firm.partition(":")
    if scheme == "uscc":
        value = uscc.normalise(value)
        if problem := uscc.problem(value):
            raise GrantError(f"firm: the code {problem}")
    return Grant(**{**fields.model_dump(), "firm": f"{scheme}:{value}"})
