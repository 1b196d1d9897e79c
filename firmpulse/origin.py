"""Whether numbers come from simulated firms; whoever shows one says so."""

import duckdb

# Providers of simulated deliveries are named with this prefix in their manifests.
SIMULATED_PREFIX = "sim-"


def of_deliveries(connection: duckdb.DuckDBPyConnection) -> str:
    """Return 'simulated firms' if any simulated delivery has landed, otherwise 'delivered data'."""
    simulated = connection.execute(
        "select count(*) from warehouse.ops.deliveries where starts_with(provider, ?)",
        [SIMULATED_PREFIX],
    ).fetchall()[0][0]
    return "simulated firms" if simulated else "delivered data"
