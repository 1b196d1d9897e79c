"""A model measured on parts of the rows: by kind of firm, and with sources removed."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import polars as pl

from features.registry import FeatureMeta
from firmpulse.bounds import LEAST_FIRMS
from firmpulse.scale import FloatArray
from firmpulse.sources import MAIN_SOURCES
from training.claims.coverage import observed_expected
from training.config import Gates, TrainingConfig
from training.frozen import bads_of
from training.metrics import Interval, measure_with_intervals
from training.narrowed import only_sources

# With fewer firms in default, or fewer good ones, ranking is not measured.
LEAST_OUTCOMES = 5
# The sources of a new applicant, then one more at a time in the order in which firms grant them.
STEPS = (
    ("bank",),
    *(MAIN_SOURCES[:count] for count in range(1, len(MAIN_SOURCES) + 1)),
)
# Cuts in which PDs must be at the right level, each group by itself.
LEVEL_CUTS = ("sources", "coverage", "history", "quarter")
_KINDS = ("good", "bad")
_RANKED = ("auc", "gini", "ks", "brier")
_COLUMNS = (
    "bads",
    "observed_rate",
    "mean_prob",
    *(f"{name}{end}" for name in (*_RANKED, "observed_expected") for end in ("", "_low", "_high")),
)

Predict = Callable[[pl.DataFrame], FloatArray]
# Allowed features → PDs of the out-of-time rows by a model fitted on these only.
Refit = Callable[[Sequence[FeatureMeta]], FloatArray]


def by_segment(
    rows: pl.DataFrame, labelled: pl.DataFrame, default_prob: FloatArray, config: TrainingConfig
) -> pl.DataFrame:
    """Return one row per cut and segment, largest first, with intervals from redrawing firms.

    Args:
        rows: firm_id and outcome, shape (rows,).
        labelled: one column per cut, the segment of each row.
        default_prob: PDs of the same rows.
        config: draws, confidence and seed.

    Returns:
        cut, segment, firms, rows, bads, observed_rate, mean_prob, then auc, gini, ks, brier and
        observed_expected, each with `_low` and `_high`; null with too few outcomes. Observed over
        expected has an exact interval, in which a firm counts once, so it is given for any number
        of defaults. Segments of few firms are joined as "few".
    """
    found = []
    for cut in labelled.columns:
        segment = _joined(rows["firm_id"], labelled[cut])
        for name in segment.unique().sort():
            here = (segment == name).to_numpy()
            found.append({"cut": cut, "segment": name, **_row(rows, here, default_prob, config)})
    order = [pl.col("cut").replace_strict(labelled.columns, range(labelled.width)), -pl.col("rows")]
    return pl.DataFrame(found, infer_schema_length=None).sort(order, maintain_order=True)


def off_level(segments: pl.DataFrame, gates: Gates) -> pl.DataFrame:
    """Return the groups whose PDs are at a wrong level: rows of `by_segment`.

    Groups are quarters, lengths of history, sets of sources and coverage tiers with enough
    defaults. Their interval of observed over expected defaults does not reach into the bounds.
    """
    return segments.filter(
        pl.col("cut").is_in(LEVEL_CUTS)
        & (pl.col("bads") >= gates.group_bads)
        & (
            (pl.col("observed_expected_high") < gates.least_observed_expected)
            | (pl.col("observed_expected_low") > gates.most_observed_expected)
        )
    )


def _joined(firms: pl.Series, segment: pl.Series) -> pl.Series:
    """Return the segments, with those of fewer than `LEAST_FIRMS` joined into one."""
    counts = pl.DataFrame({"firm": firms, "segment": segment}).group_by("segment")
    few = counts.agg(pl.col("firm").n_unique()).filter(pl.col("firm") < LEAST_FIRMS)["segment"]
    return segment.replace_strict(few.to_list(), "few", default=segment, return_dtype=pl.String)


def _row(
    rows: pl.DataFrame, here: np.ndarray, default_prob: FloatArray, config: TrainingConfig
) -> dict[str, float | int | None]:
    part, prob = rows.filter(here), default_prob[here]
    outcome = bads_of(part)
    firms = part["firm_id"].n_unique()
    nothing: dict[str, float | int | None] = dict.fromkeys(_COLUMNS)
    counts = {"firms": firms, "rows": part.height} | nothing
    if firms < LEAST_FIRMS:
        return counts
    firm = np.unique(part["firm_id"].to_numpy(), return_inverse=True)[1]
    level = observed_expected(firm, outcome, prob, config.confidence)
    counts |= {
        "bads": int(outcome.sum()),
        "observed_rate": float(outcome.mean()),
        "mean_prob": float(prob.mean()),
    }
    counts |= _flat({"observed_expected": level})
    by_outcome = [part.filter(pl.col("outcome") == kind)["firm_id"].n_unique() for kind in _KINDS]
    if min(by_outcome) < LEAST_OUTCOMES:
        return counts
    measured = measure_with_intervals(
        outcome,
        prob,
        part["firm_id"].to_numpy(),
        draws=config.segment_draws,
        confidence=config.confidence,
        seed=config.seed,
    )
    return counts | _flat({name: measured[name] for name in _RANKED})


def _flat(measured: Mapping[str, Interval]) -> dict[str, float]:
    flat: dict[str, float] = {}
    for name, value in measured.items():
        flat |= {name: value.value, f"{name}_low": value.low, f"{name}_high": value.high}
    return flat


def by_source(
    rows: pl.DataFrame,
    features: Sequence[FeatureMeta],
    predict: Predict,
    refit: Refit,
    config: TrainingConfig,
) -> pl.DataFrame:
    """Return one row per set of sources: the model on firms that granted no more than these.

    Args:
        rows: firm_id, outcome and features.
        features: their definitions, with the sources of each.
        predict: the unchanged model; features from other sources are null.
        refit: a model fitted only on the features of these sources, an upper bound.
        config: draws, confidence and seed.

    Returns:
        sources, model ('as it is' or 'refitted'), features, rows, bads and the metrics as
        `by_segment` has them.
    """
    every, found = np.ones(rows.height, dtype=bool), []
    for granted in STEPS:
        # Features without a particular source, such as the number of sources, reflect the others.
        read = [f for f in features if f.sources and set(f.sources) <= set(granted)]
        withheld = only_sources(rows, features, granted)
        for model, prob in (("as it is", predict(withheld)), ("refitted", refit(read))):
            found.append(
                {
                    "sources": " + ".join(granted),
                    "model": model,
                    "features": len(read),
                    **_row(rows, every, prob, config),
                }
            )
    return pl.DataFrame(found, infer_schema_length=None)
