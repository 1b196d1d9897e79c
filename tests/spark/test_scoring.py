"""The same firms on Spark and in one process: the same scores to the bit."""

from pathlib import Path
from typing import Any

import polars as pl
from polars.testing import assert_frame_equal

from model import coverage
from scoring import batch
from scoring.inputs import assessable, load_model, read_firms
from tests.credit_economy import AS_OF, REGISTRY, Trained


def test_scores_on_spark_are_those_of_one_process(
    spark: Any, trained: Trained, tmp_path: Path
) -> None:
    from scoring import spark as on_spark

    settings = trained.settings
    model = load_model(settings, trained.candidate.version)
    metas = tuple(REGISTRY[name] for name in model.bundle.features)
    granted = assessable(settings, AS_OF)
    firms = read_firms(settings, AS_OF, REGISTRY, model, granted).filter(
        pl.col("coverage") != coverage.INSUFFICIENT
    )
    assert firms.height > 500
    firms.write_parquet(tmp_path / "firms.parquet")

    rows = spark.read.parquet(str(tmp_path / "firms.parquet")).repartition(3)
    found = pl.from_arrow(on_spark.scores(rows, model, metas, AS_OF).toArrow())
    assert isinstance(found, pl.DataFrame)
    expected = batch.score_firms(model, metas, firms, AS_OF).scores
    assert_frame_equal(found.sort("firm_id"), expected.sort("firm_id"), check_exact=True)
