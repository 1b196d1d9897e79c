"""Run by an interpreter with Feast: look a spine up in an exported repository.

Arguments: the repository, the spine (Parquet), features as view:name, the file to write.
"""

import sys

import pandas as pd
from feast import FeatureStore


def main(repository: str, spine: str, features: str, to: str) -> None:
    rows = pd.read_parquet(spine)
    rows["event_timestamp"] = pd.to_datetime(rows.pop("as_of"), utc=True)
    job = FeatureStore(repository).get_historical_features(rows, features.split(","))
    job.to_df().to_parquet(to)


if __name__ == "__main__":
    main(*sys.argv[1:])
