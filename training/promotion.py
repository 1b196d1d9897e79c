"""Gates that a candidate must pass, and a named responsible person."""

from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from consent import champion
from firmpulse import tracking
from firmpulse.errors import GateFailed, NotReadyError
from firmpulse.settings import Settings
from firmpulse.stability import PSI_MUCH
from training import proposals, versions
from training.config import DEFAULT, UNDATED, Gates, TrainingConfig, UndatedGates

# What to do if a gate does not hold.
_MEASURE = "measure it: firmpulse models validate VERSION"
_MORE = (
    "it separates firms too little: train on a later date, or on firms that granted more sources"
)
_LEAK = "find what knows the outcome: firmpulse features check-leakage"
_DRIFT = (
    "firms out of time differ from those of the training rows: see which features moved in the "
    "validation pack and with firmpulse features check-seasons, then train on a later date"
)
_FIRMS = "land outcomes of more firms, or train on firms that granted more sources"
_TESTED = (
    "keep the champion: it was tested on a later period and this version cannot be; deliver dates "
    "with the outcomes"
)
_STATEMENTS = "the statements baseline"
_GROUPS = "see these groups in the segments and grades of the validation pack"


@dataclass(frozen=True)
class GateResult:
    """One gate: what was measured, the bound, and whether it holds."""

    gate: str
    value: float | None
    bound: float | None
    passed: bool
    # What to do if it does not hold.
    advice: str = ""

    def __str__(self) -> str:
        """Return gate, value and bound for a message."""
        value = "not measured" if self.value is None else f"{self.value:.3f}"
        bound = "no baseline" if self.bound is None else f"{self.bound:.3f}"
        return f"{self.gate}: {value} against {bound}"


@dataclass(frozen=True)
class PromotionReport:
    """What happened to a candidate."""

    as_of: date
    model: str
    version: str
    gates: tuple[GateResult, ...]
    promoted: bool
    approver: str | None
    # Metrics that are significantly worse than the champion's, if a second person must decide.
    proposed: str | None = None

    @property
    def passed(self) -> bool:
        """Whether every gate holds."""
        return all(gate.passed for gate in self.gates)


def promote(
    settings: Settings,
    as_of: date,
    candidate_version: str,
    approver: str | None,
    config: TrainingConfig = DEFAULT,
    *,
    because: str = "",
) -> PromotionReport:
    """Make a candidate champion if its gates are green and someone approves.

    Without an approver nothing changes; the report lists the gates. A candidate that is
    significantly worse than the champion is only proposed, with a reason: a second person decides.

    Raises:
        GateFailed: an approver was named, and a gate is red (each is listed); or the candidate is
            worse than the champion and no reason is given.
        NotReadyError: no such version.
    """
    client = tracking.client(settings)
    candidate = _version(settings, candidate_version, as_of)
    measured = client.get_run(candidate.run_id).data.metrics
    if candidate.tags.get("labels") == UNDATED:
        replaces_tested = _champion_was_tested(settings, candidate_version)
        results = check_undated(measured, config.undated_gates, replaces_tested=replaces_tested)
    else:
        digest = candidate.tags.get("frame_digest", "")
        results = check_run(settings, measured, digest, config.gates)
    named = (approver or "").strip() or None
    report = PromotionReport(
        as_of, tracking.CREDIT_MODEL, candidate_version, results, named is not None, named
    )
    summary = "; ".join(str(result) for result in results)
    client.set_model_version_tag(tracking.CREDIT_MODEL, candidate_version, "gates", summary)
    if named is None:
        return report
    if not report.passed:
        red = [result for result in results if not result.passed]
        failed = "; ".join(str(result) for result in red)
        advice = "; ".join(dict.fromkeys(result.advice for result in red))
        raise GateFailed(
            f"version {candidate_version} of {tracking.CREDIT_MODEL} stays challenger. {failed}. "
            f"What to try: {advice.replace('VERSION', candidate_version)}"
        )
    if worse := proposals.worse(settings, candidate_version, config):
        leading, measured = worse
        if not because.strip():
            raise GateFailed(
                f"version {candidate_version} of {tracking.CREDIT_MODEL} is worse than the "
                f"champion, version {leading}, beyond chance: {measured}. It needs a reason and a "
                f"second person: firmpulse models promote {candidate_version} --approver NAME "
                f"--because REASON"
            )
        proposals.propose(settings, candidate_version, named, because, leading, measured)
        return replace(report, promoted=False, proposed=measured)
    versions.make_champion(settings, candidate_version, named)
    return report


def check_run(
    settings: Settings, metrics: dict[str, float], frame_digest: str, gates: Gates
) -> tuple[GateResult, ...]:
    """Return the gates on a run's metrics, compared with the statements baseline on its frame."""
    baseline = versions.baseline_version(settings, frame_digest)
    if baseline is None:
        return check(metrics, None, gates)
    run = tracking.client(settings).get_run(baseline.run_id)
    instead = baseline.tags.get(versions.WITHOUT_STATEMENTS, "")
    return check(metrics, run.data.metrics.get("oot/auc"), gates, instead)


def check(
    metrics: dict[str, float], baseline_auc: float | None, gates: Gates, instead: str = ""
) -> tuple[GateResult, ...]:
    """Return the gates on out-of-time metrics; a missing metric fails its gates.

    Args:
        metrics: of the version's run.
        baseline_auc: of the traditional scorecard.
        gates: the bounds.
        instead: what this scorecard reads if no statement was known.
    """
    auc = metrics.get("oot/auc")
    baseline = f"the baseline without statements ({instead})" if instead else _STATEMENTS
    return (
        _at_least("AUC at least", auc, gates.least_auc, _MORE),
        _at_least("KS at least", metrics.get("oot/ks"), gates.least_ks, _MORE),
        _at_least(f"AUC no worse than {baseline}", auc, baseline_auc, _MORE),
        _at_most("AUC at most (above: a leak is likely)", auc, gates.most_auc, _LEAK),
        _at_most(
            "AUC of one feature alone at most (above: a leak is likely)",
            metrics.get("train/strongest_feature_auc"),
            gates.most_feature_auc,
            _LEAK,
        ),
        _at_most("loss of AUC out of time at most", _drop(metrics), gates.most_auc_drop, _DRIFT),
        _at_most(
            "PSI of the score at most",
            metrics.get("stability/psi_score"),
            gates.most_score_psi,
            _DRIFT,
        ),
        _at_most(
            f"of the 20 strongest features, moved much (PSI {PSI_MUCH}) at most",
            metrics.get("stability/strong_features_moved"),
            gates.most_features_moved,
            _DRIFT,
        ),
        _at_least(
            "observed over expected defaults, upper end at least",
            metrics.get("oot_interval/observed_expected_high"),
            gates.least_observed_expected,
            _DRIFT,
        ),
        _at_most(
            "observed over expected defaults, lower end at most",
            metrics.get("oot_interval/observed_expected_low"),
            gates.most_observed_expected,
            _DRIFT,
        ),
        _at_most(
            "level moved to the newest quarter by at most (log odds)",
            _size(metrics.get("level/shift")),
            gates.most_level_shift,
            _DRIFT,
        ),
        _at_most(
            "groups beyond these bounds (quarter, history, sources, coverage) at most",
            metrics.get("oot_groups/off_level"),
            gates.most_groups_off,
            _GROUPS,
        ),
        _at_most(
            "share of the fullest grade at most",
            metrics.get("oot_grades/largest_share"),
            gates.most_grade_share,
            _MORE,
        ),
        _at_most(
            "concentration of grades (HHI) at most",
            metrics.get("oot_grades/hhi"),
            gates.most_grade_hhi,
            _MORE,
        ),
        _at_most(
            "grades out of order at most",
            metrics.get("oot_grades/disordered"),
            gates.most_disordered,
            _GROUPS,
        ),
    )


def check_undated(
    metrics: dict[str, float], gates: UndatedGates, *, replaces_tested: bool
) -> tuple[GateResult, ...]:
    """Return the gates of a version that learnt from undated outcomes.

    There is no later period, so firms held out in turn are measured, and neither lasting nor level.

    Args:
        metrics: of the version's run.
        gates: the bounds.
        replaces_tested: whether the champion was tested out of time.
    """
    auc = metrics.get("cv/auc")
    low = metrics.get(tracking.bounds_of("cv/auc")[0])
    lead_high = tracking.bounds_of("cv/lead")[1]
    found = [
        _at_least("firms in default at least", metrics.get("cv/bads"), gates.least_bads, _FIRMS),
        _at_least("cross-validated AUC at least", auc, gates.least_auc, _FIRMS),
        _at_least("its interval, lower end at least", low, gates.least_auc_low, _FIRMS),
        _at_least("cross-validated KS at least", metrics.get("cv/ks"), gates.least_ks, _FIRMS),
        _at_most("AUC at most (above: a leak is likely)", auc, gates.most_auc, _LEAK),
        _at_most(
            "AUC of one feature alone at most (above: a leak is likely)",
            metrics.get("train/strongest_feature_auc"),
            gates.most_feature_auc,
            _LEAK,
        ),
        _at_most(
            "champions tested out of time that it replaces at most",
            float(replaces_tested),
            0.0,
            _TESTED,
        ),
    ]
    if lead_high in metrics:
        lead = metrics[lead_high]
        name = "AUC beyond the best single feature, upper end at least"
        found.append(_at_least(name, lead, 0.0, _FIRMS))
    return tuple(found)


def _champion_was_tested(settings: Settings, candidate_version: str) -> bool:
    leads = champion.champion(settings)
    return (
        leads is not None
        and str(leads.version) != candidate_version
        and leads.tags.get("labels") != UNDATED
    )


def _drop(metrics: dict[str, float]) -> float | None:
    """Return the significant fall of the AUC; with few defaults it may fall by chance."""
    before, now = metrics.get("train_held_out/auc"), metrics.get("oot_interval/auc_high")
    return None if before is None or now is None else before - now


def _size(value: float | None) -> float | None:
    return None if value is None else abs(value)


def _at_least(gate: str, value: float | None, bound: float | None, advice: str) -> GateResult:
    passed = value is not None and bound is not None and value >= bound
    return GateResult(gate, value, bound, passed, _advice(value, bound, advice))


def _at_most(gate: str, value: float | None, bound: float, advice: str) -> GateResult:
    passed = value is not None and value <= bound
    return GateResult(gate, value, bound, passed, _advice(value, bound, advice))


def _advice(value: float | None, bound: float | None, advice: str) -> str:
    """Return the advice of a gate; another one if something was not measured."""
    return _MEASURE if value is None or bound is None else advice


def _version(settings: Settings, version: str, as_of: date) -> Any:
    found = tracking.find_version(settings, tracking.CREDIT_MODEL, version)
    if found is None:
        raise NotReadyError(
            f"{tracking.CREDIT_MODEL} has no version {version}; "
            f"run: firmpulse train --as-of {as_of}"
        )
    return found
