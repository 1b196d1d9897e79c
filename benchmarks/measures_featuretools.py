"""Monthly measures by featuretools; `benchmarks.measures` runs it if installed.

Argument: the Parquet file of the invoices.
"""

import json
import re
import sys
import time
from pathlib import Path

import featuretools
import pandas as pd


def main(path: Path) -> None:
    """Print seconds, peak and digest of the measures by firm and month."""
    begun = time.perf_counter()
    rows = pd.read_parquet(path)
    rows["invoice_id"] = range(len(rows))
    rows["valid_cny"] = rows["net_cny"].where(~rows["is_void"], 0.0)
    rows["squared"] = rows["net_cny"] ** 2
    rows["voids"] = rows["is_void"].astype(float)
    rows["customer"] = rows["customer_id"].astype(float)
    keys = rows[["firm_id", "month"]].drop_duplicates().reset_index(drop=True)
    keys["firm_month"] = range(len(keys))
    rows = rows.merge(keys, on=["firm_id", "month"])
    entities = featuretools.EntitySet("invoices")
    chosen = ["invoice_id", "firm_month", "net_cny", "valid_cny", "squared", "voids", "customer"]
    entities.add_dataframe(dataframe_name="invoice", dataframe=rows[chosen], index="invoice_id")
    entities.add_dataframe(
        dataframe_name="firm_month", dataframe=keys[["firm_month"]], index="firm_month"
    )
    entities.add_relationship("firm_month", "firm_month", "invoice", "firm_month")
    found, _ = featuretools.dfs(
        entityset=entities,
        target_dataframe_name="firm_month",
        agg_primitives=["count", "sum", "max"],
        trans_primitives=[],
        max_depth=1,
    )
    found["customers"] = rows.groupby("firm_month")["customer"].nunique()
    measures = {
        "invoices": found["COUNT(invoice)"],
        "sales": found["SUM(invoice.valid_cny)"],
        "largest": found["MAX(invoice.net_cny)"],
        "squares": found["SUM(invoice.squared)"],
        "voids": found["SUM(invoice.voids)"],
        "customers": found["customers"],
    }
    seconds = time.perf_counter() - begun
    status = Path("/proc/self/status").read_text(encoding="ascii")
    peak = int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) / 1e3
    total = sum(
        float(measures[name].astype(float).sum()) * (place + 1)
        for place, name in enumerate(sorted(measures))
    )
    print(json.dumps(
        {"seconds": seconds, "peak_mb": peak, "digest": f"{len(found)} {total:.9g}"}
    ))  # fmt: skip


if __name__ == "__main__":
    main(Path(sys.argv[1]))
