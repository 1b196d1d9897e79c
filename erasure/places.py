"""Which source a table belongs to, from the contracts and dbt's manifest."""

import json
from collections.abc import Mapping
from typing import Any

from extracts import contracts
from firmpulse import dbt_runner
from firmpulse.settings import Settings


def raw_tables() -> dict[str, str]:
    """Return the source of each raw table of the vault."""
    return {contract.table: contract.source for contract in contracts.load().values()}


def masked_tables(settings: Settings) -> dict[str, str]:
    """Return the source of each masked table and fact, as `schema.table`."""
    path = dbt_runner.manifest_path(settings)
    return from_manifest(json.loads(path.read_text(encoding="utf-8")), raw_tables())


def from_manifest(manifest: Mapping[str, Any], raw: Mapping[str, str]) -> dict[str, str]:
    """Return schema.table → source of every model that reads the vault tables of one source.

    A model over several sources is not included: it is erased when all authorisation has ended.
    """
    nodes = manifest["nodes"]

    def sources(key: str) -> frozenset[str]:
        if key in manifest["sources"]:
            origin = manifest["sources"][key]
            return frozenset({raw[origin["name"]]} if origin["source_name"] == "vault" else ())
        parents = nodes[key]["depends_on"]["nodes"]
        return frozenset().union(*(sources(parent) for parent in parents))

    found = {}
    for key, node in nodes.items():
        if node["resource_type"] == "model" and len(own := sources(key)) == 1:
            found[f"{node['schema']}.{node['name']}"] = next(iter(own))
    return found
