"""Overrides: a person gives a scored firm another grade, and a second person agrees.

There is no free text: it would contain names and reasons that no one could erase. A reason is a
code.
"""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, Literal

import duckdb

from consent import audit, persons
from firmpulse import scale, warehouse
from firmpulse.errors import ConfigurationError, NotReadyError
from firmpulse.settings import Settings
from firmpulse.stored_tables import OVERRIDES

MOST_NOTCHES = 2
# Shares of scored firms with an approved override from which the model must be reviewed.
WARNING_RATE, ALARM_RATE = 0.05, 0.10

# Code → its text, in Chinese and English.
REASONS: Mapping[str, tuple[str, str]] = {
    "FRESH_FACTS": ("数据截止后出现了可核实的新情况", "verifiable facts after the data's date"),
    "DATA_ERROR": (
        "来源数据有误，已要求更正",
        "the source's data is wrong; a correction is requested",
    ),
    "GROUP_SUPPORT": ("集团或担保方的支持有法律约束力", "binding support of a group or guarantor"),
    "LEGAL_CASE": ("重大诉讼或执行案件", "a major court or enforcement case"),
    "OWNERSHIP_CHANGE": ("实际控制人发生变更", "the controlling owner changed"),
    "SITE_VISIT": ("现场核查结果与数据不符", "a site visit contradicts the data"),
    "MODEL_LIMIT": ("业务模式超出模型适用范围", "the business is outside the scope of the model"),
}
_TABLE = f"warehouse.scoring.{OVERRIDES.name}"
_ORDER = list(scale.GRADE_UPPER_PD)

Status = Literal["proposed", "approved", "rejected"]


@dataclass(frozen=True)
class Override:
    """A row of the table overrides."""

    override_id: str
    firm_id: str
    as_of: date
    model_grade: str
    grade: str
    reason_code: str
    status: Status
    maker: str
    checker: str | None
    proposed_at: datetime
    decided_at: datetime | None


@dataclass(frozen=True)
class OverrideRate:
    """The share of a night that was decided by people."""

    scored: int
    overridden: int

    @property
    def share(self) -> float:
        """Share of scored firms with an approved override, 0 to 1."""
        return self.overridden / self.scored if self.scored else 0.0

    @property
    def light(self) -> Literal["green", "yellow", "red"]:
        """Whether the share requires a review of the model."""
        return (
            "red" if self.share > ALARM_RATE else "yellow" if self.share > WARNING_RATE else "green"
        )


def propose(
    settings: Settings, firm_id: str, as_of: date, grade: str, reason_code: str, maker: str
) -> Override:
    """Propose another grade; it takes effect once a second person has approved it.

    Raises:
        NotReadyError: the firm has no score at `as_of`, or an override is open or approved.
        ConfigurationError: the grade, the reason or the maker is not valid.
    """
    persons.require("maker", maker)
    if reason_code not in REASONS:
        raise ConfigurationError(
            f"there is no reason {reason_code!r}; use one of {', '.join(REASONS)}. In words: "
            f"firmpulse override reasons"
        )
    with warehouse.connect(settings) as connection:
        model_grade = _model_grade(connection, firm_id, as_of)
        _check_grade(model_grade, grade)
        _refuse_second(connection, firm_id, as_of, model_grade)
        made = Override(
            override_id=uuid.uuid4().hex[:12], firm_id=firm_id, as_of=as_of,
            model_grade=model_grade, grade=grade, reason_code=reason_code, status="proposed",
            maker=maker, checker=None, proposed_at=datetime.now(UTC), decided_at=None,
        )  # fmt: skip
        _note(settings, made, "propose", maker)
        connection.execute(OVERRIDES.insert_sql(OVERRIDES.columns), vars(made))
    return made


def decide(settings: Settings, override_id: str, checker: str, *, approve: bool) -> Override:
    """Approve or reject a proposal; its maker may not.

    Raises:
        NotReadyError: there is no such proposal, it is decided, or it is to be approved although
            the model's grade has changed.
        ConfigurationError: the checker is the maker, or has no name.
    """
    persons.require("checker", checker)
    with warehouse.connect(settings) as connection:
        found = [one for one in _rows(connection) if one.override_id == override_id]
        if not found:
            raise NotReadyError(
                f"there is no override {override_id!r}; see: firmpulse override list"
            )
        (made,) = found
        if made.status != "proposed":
            raise NotReadyError(f"override {override_id} was {made.status} by {made.checker}")
        if persons.same(checker, made.maker):
            raise ConfigurationError(
                f"{checker} proposed override {override_id}; someone else must decide it"
            )
        if approve and (now := _model_grade(connection, made.firm_id, made.as_of)) != (
            made.model_grade
        ):
            raise NotReadyError(
                f"override {override_id} is for the grade {made.model_grade}; the model now gives "
                f"{now}. Reject it and, if that is wrong too, propose another"
            )
        status: Status = "approved" if approve else "rejected"
        _note(settings, made, status, checker)
        decided_at = datetime.now(UTC)
        connection.execute(
            f"update {_TABLE} set status = ?, checker = ?, decided_at = ? where override_id = ?",  # noqa: S608 - constant
            [status, checker, decided_at, override_id],
        )
    return Override(
        **{**vars(made), "status": status, "checker": checker, "decided_at": decided_at}
    )


def listed(settings: Settings) -> list[Override]:
    """Return all overrides, the newest first."""
    with warehouse.connect(settings) as connection:
        return sorted(_rows(connection), key=lambda one: one.proposed_at, reverse=True)


def rate(settings: Settings, as_of: date) -> OverrideRate:
    """Return how many scored firms of a night have an approved override of their grade."""
    with warehouse.connect(settings) as connection:
        ((scored, overridden),) = connection.execute(
            f"select (select count(*) from warehouse.scoring.scores where as_of = $as_of), "  # noqa: S608 - constant
            f"(select count(distinct made.firm_id) from {_TABLE} as made "
            f"semi join warehouse.scoring.scores as scores on made.firm_id = scores.firm_id "
            f"and made.as_of = scores.as_of and made.model_grade = scores.grade "
            f"where made.as_of = $as_of and made.status = 'approved')",
            {"as_of": as_of},
        ).fetchall()
    return OverrideRate(int(scored), int(overridden))


def _model_grade(connection: duckdb.DuckDBPyConnection, firm_id: str, as_of: date) -> str:
    row = connection.execute(
        "select grade from warehouse.scoring.scores where firm_id = ? and as_of = ?",
        [firm_id, as_of],
    ).fetchone()
    if row is None:
        raise NotReadyError(
            f"firm {firm_id} has no score on {as_of}; its dates are in the table scores"
        )
    return str(row[0])


def _check_grade(model_grade: str, grade: str) -> None:
    if model_grade == scale.DEFAULTED:
        raise ConfigurationError(
            "the firm is in default; grade D is a fact and cannot be overridden"
        )
    if grade not in _ORDER:
        raise ConfigurationError(f"there is no grade {grade!r}; use one of {', '.join(_ORDER)}")
    notches = abs(_ORDER.index(grade) - _ORDER.index(model_grade))
    if notches == 0:
        raise ConfigurationError(f"{grade} is the model's own grade")
    if notches > MOST_NOTCHES:
        raise ConfigurationError(
            f"{grade} is {notches} notches from the model's {model_grade}; at most {MOST_NOTCHES} "
            f"are allowed. A larger difference needs another model or a correction of the data"
        )


def _refuse_second(
    connection: duckdb.DuckDBPyConnection, firm_id: str, as_of: date, model_grade: str
) -> None:
    """Refuse a second override of a grade; one of an earlier grade is no longer valid."""
    score = (firm_id, as_of, model_grade)
    for one in _rows(connection):
        if (one.firm_id, one.as_of, one.model_grade) == score and one.status != "rejected":
            raise NotReadyError(
                f"override {one.override_id} of this firm and date is {one.status}; see: "
                f"firmpulse override list"
            )


def _rows(connection: duckdb.DuckDBPyConnection) -> list[Override]:
    names = ", ".join(OVERRIDES.columns)
    found = connection.execute(f"select {names} from {_TABLE}").pl()  # noqa: S608 - constants
    return [Override(**row) for row in found.to_dicts()]


def _note(settings: Settings, made: Override, step: str, by: str) -> None:
    """Record a step before it takes effect."""
    details: dict[str, Any] = {
        "step": step, "override_id": made.override_id, "as_of": made.as_of.isoformat(),
        "model_grade": made.model_grade, "grade": made.grade, "reason": made.reason_code, "by": by,
    }  # fmt: skip
    audit.append(settings, "OVERRIDE", actor=audit.actor(), subject=made.firm_id, **details)
