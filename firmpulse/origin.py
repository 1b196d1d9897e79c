"""Whether numbers come from simulated firms; every page and report that shows them says so."""

import duckdb

# Prefix of provider names in the manifests of simulated deliveries.
SIMULATED_PREFIX = "sim-"


def of_deliveries(connection: duckdb.DuckDBPyConnection) -> str:
    """Return 'simulated firms' if any simulated delivery has landed, otherwise 'delivered data'."""
    simulated = connection.execute(
        "select count(*) from warehouse.ops.deliveries where starts_with(provider, ?)",
        [SIMULATED_PREFIX],
    ).fetchall()[0][0]
    return "simulated firms" if simulated else "delivered data"
