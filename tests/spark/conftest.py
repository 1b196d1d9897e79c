import os
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from tests.credit_economy import Trained, trained_copy


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """Return the trained economy."""
    return trained_copy(tmp_path_factory)


@pytest.fixture(scope="session")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Return a session of two workers on this machine, without remote connections."""
    sql = pytest.importorskip("pyspark.sql", reason="no pyspark here; call: make test-spark")
    folder = tmp_path_factory.mktemp("spark")
    # Workers use this environment, not the python3 on the path.
    os.environ["PYSPARK_PYTHON"] = sys.executable
    session = (
        sql.SparkSession.builder.master("local[2]")
        .appName("firmpulse")
        .config("spark.log.level", "ERROR")
        .config("spark.ui.enabled", "false")
        .config("spark.sql.shuffle.partitions", "4")
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.sql.warehouse.dir", str(folder))
        .config("spark.local.dir", str(folder))
        .config("spark.sql.execution.arrow.maxRecordsPerBatch", "100")
        .config("spark.sql.session.timeZone", "Asia/Shanghai")
        .getOrCreate()
    )
    try:
        yield session
    finally:
        session.stop()
