"""What a firm may authorise: one source, one purpose, one window, one period, one recipient."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from consent import wording
from firmpulse import identifiers, uscc
from firmpulse.calendar import add_months
from firmpulse.errors import GrantError
from firmpulse.sources import GRANTED_SOURCES

ASSESSMENT = ("CREDIT_EVAL", "POST_LOAN_MONITOR")
TRAINING = "MODEL_TRAINING"
PURPOSES = (*ASSESSMENT, TRAINING)
ROLES = ("legal_representative", "authorised_agent", "proprietor", "founder")
# Financial accounts and natural persons: these need separate consent.
SENSITIVE_SOURCES = ("bank", "founder_credit")

# What is wrong with a normalised code, to follow "the code"; None if it is valid.
Problem = Callable[[str], str | None]

_BANK_WINDOW_MONTHS, _WINDOW_MONTHS = 6, 36


@dataclass(frozen=True)
class Grant:
    """One authorisation as received; the ledger keeps only the token of `firm`."""

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
    # Whether results that the recipient has used may stay after the end.
    keep_results: bool = False
    # Who signed for the firm.
    grantor_role: str = "legal_representative"
    # Hash of the text; None means the text of that version in this package.
    text_sha256: str | None = None
    # Whether the consent was separate, as bank accounts and natural persons require.
    separate_consent: bool = False


class _Line(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    authorization_id: str = Field(min_length=1, max_length=128)
    firm: str = Field(pattern=f"^{identifiers.SCHEME_PATTERN}:.+$")
    source: str
    purpose: str
    recipient: str = Field(min_length=1)
    window_start: date
    valid_from: date
    valid_to: date
    text_version: str = Field(min_length=1)
    keep_results: bool = False
    grantor_role: str = ROLES[0]
    text_sha256: str | None = Field(default=None, pattern="^[0-9a-f]{64}$")
    separate_consent: bool = False

    @model_validator(mode="after")
    def _is_a_grant(self) -> "_Line":
        for name, known in (
            ("source", GRANTED_SOURCES),
            ("purpose", PURPOSES),
            ("grantor_role", ROLES),
        ):
            if getattr(self, name) not in known:
                raise ValueError(f"{name} must be one of {', '.join(known)}")
        if self.valid_to < self.valid_from:
            raise ValueError("valid_to is before valid_from")
        if self.source in SENSITIVE_SOURCES and not self.separate_consent:
            raise ValueError(
                f"{self.source} needs separate consent; if the grantor gave it, add "
                f"separate_consent: true"
            )
        if any(uscc.may_be_issued(found) for found in _codes(self.authorization_id)):
            raise ValueError("authorization_id contains a firm's code; number grants without it")
        return self


def parse(line: str | bytes, problem: Problem = uscc.problem) -> Grant:
    """Return the grant of one JSON line.

    Args:
        line: the line.
        problem: checks a code; `consent.codes.Codes` has the accepted ones.

    Raises:
        GrantError: the line is not a grant; the message contains no identifier.
    """
    return _grant(lambda: _Line.model_validate_json(line), problem)


def of_terms(terms: Mapping[str, object], problem: Problem = uscc.problem) -> Grant:
    """Return the grant with these terms, by the same checks as `parse`.

    Raises:
        GrantError: they are no grant; the message contains no identifier.
    """
    return _grant(lambda: _Line.model_validate(terms), problem)


def _grant(read: Callable[[], _Line], problem: Problem) -> Grant:
    try:
        fields = read()
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False, include_context=False)[0]
        place = ".".join(str(part) for part in first["loc"]) or "grant"
        raise GrantError(f"{place}: {first['msg']}") from None
    return Grant(**{**fields.model_dump(), "firm": identifier(fields.firm, problem)})


def identifier(
    firm: str, problem: Problem = uscc.problem, *, scheme: str = identifiers.USCC
) -> str:
    """Return an identifier `scheme:value` in its one form.

    Args:
        firm: as typed; a value alone is one of `scheme`.
        problem: checks a code; `consent.codes.Codes` has the accepted ones.
        scheme: of a value alone.

    Raises:
        GrantError: it is invalid; the message contains no identifier.
    """
    scheme, value = identifiers.split(firm, scheme)
    if scheme != identifiers.USCC:
        if found := identifiers.problem(scheme, value):
            raise GrantError(f"firm: the identifier {found}")
    elif found := problem(value):
        other = "" if ":" in firm else "; a number of another scheme is written like cumcm:E7"
        raise GrantError(f"firm: the code {found}{other if len(value) != uscc.LENGTH else ''}")
    return f"{scheme}:{value}"


def usual_window_start(source: str, valid_from: date) -> date:
    """Return the first day of the usual history: bank 6 months, others 36."""
    months = _BANK_WINDOW_MONTHS if source == "bank" else _WINDOW_MONTHS
    return add_months(valid_from, -months)


def text_problem(grant: Grant) -> str | None:
    """Return what is wrong with the text a grant refers to, None when it is known or hashed."""
    ours = wording.sha256(grant.text_version)
    if ours is None and grant.text_sha256 is None:
        return f"refers to a text {grant.text_version} that is not known here; add its text_sha256"
    if ours is not None and grant.text_sha256 not in (None, ours):
        return f"has a different text_sha256 than the text {grant.text_version}"
    if ours is not None and not wording.names(grant.text_version, grant.source):
        return (
            f"is of {grant.source}, which the text {grant.text_version} does not name; the firm "
            f"has to sign one that does, such as {wording.CURRENT}"
        )
    return None


def _codes(text: str) -> list[str]:
    upper = text.upper()
    return [upper[start : start + 18] for start in range(len(upper) - 17)]
