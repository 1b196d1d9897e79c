"""The value of a candidate model compared with a baseline, on rows with known outcomes.

Approval, swap set and warnings are measured at the same share for both models, with intervals from
redrawing whole firms. On simulated firms this proves the measurement and nothing about a market.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from firmpulse.errors import ConfigurationError, NotReadyError
from firmpulse.scale import FloatArray
from training.claims import alerts, coverage, swap_set
from training.claims import rows as claim_rows
from training.claims.alerts import AlertTerms, Watch
from training.claims.comparison import Comparison, Measured, redrawn
from training.claims.coverage import Coverage, CoverageTerms
from training.claims.ranking import ROUNDING, Rows, ranked
from training.claims.rows import ClaimRows
from training.claims.swap_set import SWAP_IN, SWAP_OUT, Cell, Policies
from training.metrics import Interval

WARNINGS = (
    "precision", "recall", "pr_auc", "lead_days", "long_lead_share", "false_per_hit",
    "episodes", "hits",
)  # fmt: skip


@dataclass(frozen=True)
class ClaimsConfig:
    """The terms of each measure; shares are of rows."""

    # Share that the baseline approves, lowest PD first.
    approval_share: float = 0.6
    # Claimed together: this increase of approvals, relative to that share, and this lower bad rate.
    uplift: float = 0.18
    better_by: float = 0.005
    # A lender does not know outcomes of swap-ins; bounds come from these multiples of the PD odds.
    odds_multiples: tuple[float, ...] = (1.0, 2.0, 4.0)
    # Share of each snapshot's rows that is alerted, highest PD first.
    alert_rate: float = 0.05
    # Six months from any month end are 181 to 184 days.
    horizon_days: int = 184
    # A later alert leaves no time to act on it.
    min_lead_days: int = 30
    long_lead_days: int = 90
    # Types of fewer firms are not judged.
    least_firms_of_type: int = 30
    least_scored_share: float = 0.90
    least_auc_of_type: float = 0.65
    draws: int = 1_000
    confidence: float = 0.95
    seed: int = 20_240_131

    @property
    def larger_share(self) -> float:
        """The share with the uplift."""
        return self.approval_share * (1 + self.uplift)


DEFAULT = ClaimsConfig()


@dataclass(frozen=True)
class Joint:
    """Whether one cut-off of the candidate approves that much more at that lower bad rate."""

    holds: bool
    # False if the baseline's bad rate is not above the claimed improvement.
    possible: bool
    # Share of the draws in which it holds.
    support: float
    # The baseline at its share, the candidate at the larger one.
    bad_rate: Comparison
    # The candidate's bad rate at the best cut-off from the larger share on.
    least_bad_rate: Interval


@dataclass(frozen=True)
class SwapSet:
    """Which policy approves which rows at the same share; by the cells of `swap_set`."""

    cells: Mapping[str, Cell]
    bad_rates: Mapping[str, Interval]
    # Firms swapped out compared with those swapped in.
    swapped: Comparison
    # By odds multiple: the old policy's bad rate, and the new one's as inferred by a lender.
    inferred: Mapping[float, Comparison]


@dataclass(frozen=True)
class Claims:
    """All measures, and their terms."""

    config: ClaimsConfig
    rows: int
    firms: int
    bads: int
    # The approval share and the candidate's largest share at no more than the same bad rate.
    iso_risk: Comparison
    # As above, with the baseline's largest share at that bad rate, which may exceed its share: a
    # largest share is selected from many, which is a favourable bias, so here both select.
    iso_risk_both: Comparison
    # Bad rates at the same share.
    iso_approval: Comparison
    joint: Joint
    swap_set: SwapSet
    # By name, as in WARNINGS.
    warnings: Mapping[str, Comparison]
    coverage: Mapping[str, Coverage]
    # Share and number of approved firms of interest; None if none are requested.
    found: Comparison | None
    found_firms: Mapping[str, float]


def measure(rows: ClaimRows, config: ClaimsConfig = DEFAULT) -> Claims:
    """Return the value of the candidate on these rows.

    Raises:
        ConfigurationError: terms that cannot be measured, such as a larger share above 1.
        ContractError: rows that contradict themselves.
        NotReadyError: too few rows of an outcome, with a PD or with a default soon enough.
    """
    _require_terms(config)
    claim_rows.require(rows)
    _require_scored(rows, config)
    firms = np.unique(rows.firm_ids, return_inverse=True)[1]
    policies, watched = _policies(rows, firms, config), _watched(rows, firms, config)
    found = redrawn(
        lambda weights: swap_set.weighted(policies, weights) | alerts.weighted(watched, weights),
        firms,
        draws=config.draws,
        confidence=config.confidence,
        seed=config.seed,
    )
    asked = rows.of_interest is not None
    return Claims(
        config=config,
        rows=len(firms),
        firms=int(firms.max()) + 1,
        bads=int(rows.outcome.sum()),
        iso_risk=found.compare("baseline_share", "candidate_at_risk"),
        iso_risk_both=found.compare("baseline_at_risk", "candidate_at_risk"),
        iso_approval=found.compare("baseline_bad_rate", "candidate_bad_rate"),
        joint=_joint(found, config),
        swap_set=_swap_set(found, policies),
        warnings={
            name: found.compare(f"baseline_{name}", f"candidate_{name}") for name in WARNINGS
        },
        coverage=_coverage(rows, firms, config),
        found=found.compare("baseline_found_share", "candidate_found_share") if asked else None,
        found_firms=swap_set.found_firms(policies) if asked else {},
    )


def _policies(rows: ClaimRows, firms: Rows, config: ClaimsConfig) -> Policies:
    nobody = np.zeros(len(firms), dtype=np.bool_)
    return Policies(
        outcome=rows.outcome,
        candidate_prob=rows.candidate_prob,
        baseline=ranked(rows.baseline_prob),
        candidate=ranked(rows.candidate_prob),
        firms=firms,
        of_interest=nobody if rows.of_interest is None else rows.of_interest,
        share=config.approval_share,
        larger_share=config.larger_share,
        odds_multiples=config.odds_multiples,
    )


def _watched(rows: ClaimRows, firms: Rows, config: ClaimsConfig) -> Watch:
    terms = AlertTerms(
        config.alert_rate, config.horizon_days, config.min_lead_days, config.long_lead_days
    )
    probs = {"baseline": rows.baseline_prob, "candidate": rows.candidate_prob}
    return alerts.watch(firms, rows.snapshot_dates, rows.default_dates, probs, terms)


def _joint(found: Measured, config: ClaimsConfig) -> Joint:
    possible = found.point["baseline_bad_rate"] > config.better_by
    holds = _is_better(
        np.array([found.point["baseline_bad_rate"]]),
        np.array([found.point["candidate_least_bad_rate"]]),
        config.better_by,
    )
    drawn = _is_better(
        found.drawn["baseline_bad_rate"], found.drawn["candidate_least_bad_rate"], config.better_by
    )
    return Joint(
        holds=bool(holds[0]),
        possible=possible,
        support=float(drawn.mean()),
        bad_rate=found.compare("baseline_bad_rate", "candidate_larger_bad_rate"),
        least_bad_rate=found.interval("candidate_least_bad_rate"),
    )


def _is_better(
    baseline: FloatArray, candidate: FloatArray, better_by: float
) -> npt.NDArray[np.bool_]:
    return (baseline > better_by) & (candidate <= baseline - better_by + ROUNDING)


def _swap_set(found: Measured, policies: Policies) -> SwapSet:
    cells = swap_set.cells(policies)
    return SwapSet(
        cells=cells,
        bad_rates={name: found.interval(f"{name}_bad_rate") for name in cells},
        swapped=found.compare(f"{SWAP_OUT}_bad_rate", f"{SWAP_IN}_bad_rate"),
        inferred={
            times: found.compare("baseline_bad_rate", swap_set.inferred_name(times))
            for times in policies.odds_multiples
        },
    )


def _coverage(rows: ClaimRows, firms: Rows, config: ClaimsConfig) -> dict[str, Coverage]:
    terms = CoverageTerms(
        config.least_firms_of_type,
        config.least_scored_share,
        config.least_auc_of_type,
        config.confidence,
    )
    return {
        model: coverage.measure(rows.firm_types, firms, rows.outcome, prob, terms)
        for model, prob in (("baseline", rows.baseline_prob), ("candidate", rows.candidate_prob))
    }


def _require_terms(config: ClaimsConfig) -> None:
    if not 0 < config.approval_share < config.larger_share <= 1:
        raise ConfigurationError(
            f"approval share {config.approval_share:g} with an uplift of {config.uplift:g} is "
            f"{config.larger_share:g} of the rows; give shares above 0 and at most 1"
        )
    if not 0 < config.alert_rate < 1:
        raise ConfigurationError(f"alert rate {config.alert_rate:g} is not between 0 and 1")


def _require_scored(rows: ClaimRows, config: ClaimsConfig) -> None:
    """Raise if a policy would have to approve rows without a PD."""
    for model, prob in (("baseline", rows.baseline_prob), ("candidate", rows.candidate_prob)):
        scored = 1 - float(np.isnan(prob).mean())
        if scored < config.larger_share:
            raise NotReadyError(
                f"the {model} gives {scored:.1%} of the rows a PD, and up to "
                f"{config.larger_share:.1%} are to be approved; score more rows or lower the "
                f"approval share"
            )
