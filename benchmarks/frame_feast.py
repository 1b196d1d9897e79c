"""The point-in-time lookup by Feast; `benchmarks.frame` runs it with an interpreter with Feast.

Arguments: the folder of the benchmark, the features, the number of views.
"""

import json
import re
import sys
import time
from datetime import timedelta
from pathlib import Path

import pandas as pd
from feast import Entity, FeatureStore, FeatureView, Field, FileSource, ValueType
from feast.types import Float64

_STORE = """\
project: benchmark
provider: local
registry: {folder}/registry.db
offline_store:
  type: duckdb
online_store:
  type: sqlite
  path: {folder}/online.db
entity_key_serialization_version: 3
"""


def main(folder: Path, names: list[str], views: int) -> None:
    """Apply the views, look the spine up, print seconds, peak and digest."""
    (folder / "feature_store.yaml").write_text(_STORE.format(folder=folder.resolve()))
    store = FeatureStore(str(folder))
    firm = Entity(name="firm", join_keys=["firm_id"], value_type=ValueType.STRING)
    store.apply([firm, *(_view(folder, firm, view, names[view::views]) for view in range(views))])
    wanted = [f"feat_{place % views}:{name}" for place, name in enumerate(names)]
    begun = time.perf_counter()
    spine = pd.read_parquet(folder / "spine.parquet")
    spine["event_timestamp"] = pd.to_datetime(spine.pop("as_of"), utc=True)
    rows = store.get_historical_features(spine, wanted).to_df()
    seconds = time.perf_counter() - begun
    status = Path("/proc/self/status").read_text(encoding="ascii")
    peak = int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) / 1e3
    total = sum(round(float(rows[name].sum()), 3) * (n + 1) for n, name in enumerate(names))
    print(json.dumps(
        {"seconds": seconds, "peak_mb": peak, "digest": f"{len(rows)} {total:.2f}"}
    ))  # fmt: skip


def _view(folder: Path, firm: Entity, view: int, names: list[str]) -> FeatureView:
    path = str((folder / f"feat_{view}.parquet").resolve())
    return FeatureView(
        name=f"feat_{view}",
        entities=[firm],
        ttl=timedelta(0),
        online=False,
        source=FileSource(name=f"file_{view}", path=path, timestamp_field="as_of"),
        schema=[Field(name=name, dtype=Float64) for name in names],
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2].split(","), int(sys.argv[3]))
