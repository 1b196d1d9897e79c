"""Whether overrides were better than the model: approved overrides against outcomes."""

from dataclasses import dataclass
from datetime import date

from firmpulse import scale, warehouse
from firmpulse.errors import NotReadyError
from firmpulse.known_at import known_at
from firmpulse.settings import Settings
from firmpulse.stored_tables import OVERRIDES

# Fewer matured outcomes show nothing about the quality of the overrides.
LEAST_OUTCOMES = 30


@dataclass(frozen=True)
class OverrideBackTest:
    """Results for overridden firms with a known outcome."""

    matured: int
    defaulted: int
    # Mean of the middle PD of each grade, for the model's grades and for the persons' grades.
    expected_by_model: float | None
    expected_by_persons: float | None

    @property
    def is_telling(self) -> bool:
        """Whether there are enough outcomes for a result."""
        return self.matured >= LEAST_OUTCOMES


def backtest(settings: Settings, known_by: date) -> OverrideBackTest:
    """Compare approved overrides that have an outcome by a date with what was expected.

    The outcome of an override is that of the firm's newest quarter at or before its date; while
    that is unknown, an older quarter does not replace it. A firm that was overridden on several
    nights of a quarter has one outcome and counts once, with its newest override.

    Raises:
        NotReadyError: no outcomes were built yet.
    """
    with warehouse.connect(settings) as connection:
        if not warehouse.is_built(connection, "labels.default_12m"):
            raise NotReadyError(
                f"no outcomes in labels.default_12m for {known_by}; land loan performance and run: "
                f"firmpulse night --as-of {known_by}"
            )
        rows = connection.execute(_OUTCOMES, {"known_by": known_by}).fetchall()
    model = [_middle_prob(grade) for grade, _, _ in rows]
    persons = [_middle_prob(grade) for _, grade, _ in rows]
    return OverrideBackTest(
        matured=len(rows),
        defaulted=sum(outcome == "bad" for _, _, outcome in rows),
        expected_by_model=sum(model) / len(model) if model else None,
        expected_by_persons=sum(persons) / len(persons) if persons else None,
    )


_OUTCOMES = f"""
    with outcomes as (
        select cast(firm_id as varchar) as firm_id, as_of, outcome
        from warehouse.labels.default_12m
        where {known_at("$known_by")} and outcome in ('good', 'bad')
    )
    select made.model_grade, made.grade, outcomes.outcome
    from warehouse.scoring.{OVERRIDES.name} as made
    inner join outcomes
        on made.firm_id = outcomes.firm_id
            and outcomes.as_of = cast(date_trunc('quarter', made.as_of + 1) as date) - 1
    where made.status = 'approved'
    qualify row_number() over (
        partition by made.firm_id, outcomes.as_of
        order by made.as_of desc, made.decided_at desc, made.override_id asc
    ) = 1
    order by made.override_id
"""  # noqa: S608 - our own names


def _middle_prob(grade: str) -> float:
    """Return the geometric mean of the bounds of a grade's PD band."""
    bounds = [0.0005, *scale.GRADE_UPPER_PD.values()]
    place = list(scale.GRADE_UPPER_PD).index(grade)
    return float((bounds[place] * bounds[place + 1]) ** 0.5)
