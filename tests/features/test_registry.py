"""Definitions in the registry: what is refused, and that they are never stale."""

import os
from datetime import date
from typing import Any

import pytest

from features import contract, registry
from firmpulse import dbt_runner
from firmpulse.errors import ContractError
from firmpulse.settings import Settings


def _manifest(**meta: object) -> dict[str, Any]:
    complete = {
        "name_zh": "作废占比", "dimension": "compliance", "window": "12m", "unit": "ratio",
        "expected_sign": "U", "null_means": "none", "bounds": [0, 1], **meta,
    }  # fmt: skip
    column = {
        "name": "voids", "description": "", "data_type": "double", "config": {"meta": complete}
    }  # fmt: skip
    node = {
        "name": "feat_x", "resource_type": "model", "columns": {"voids": column},
        "config": {"meta": {"feature_source": "tax"}},
    }  # fmt: skip
    return {"nodes": {"feat_x": node}}


# A day in YAML is a text or a date.
@pytest.mark.parametrize("written", ["2024-12-01", date(2024, 12, 1)])
def test_the_day_of_a_redefinition_survives_the_contract(written: object) -> None:
    known = registry.from_manifest(_manifest(comparable_from=written))
    assert known["voids"].comparable_from == date(2024, 12, 1)
    assert known["voids"].bounds == (0, 1)
    assert contract.from_json(contract.to_json(known.features)) == known.features


@pytest.mark.parametrize(
    ("meta", "said"),
    [
        ({"comparable_from": "December 2024"}, "comparable_from 'December 2024'; write a day"),
        ({"comparable_from": 2024}, "comparable_from 2024; write a day"),
        (
            {"comparable_from": "2024-12-01", "window": "2 years"},
            "the window '2 years'; give the window in months",
        ),
        ({"bounds": [1, 0]}, r"voids has bounds \[1, 0\]; write its lowest and its highest value"),
        ({"bounds": [0]}, r"voids has bounds \[0\]; write"),
        ({"bounds": "0 to 1"}, "voids has bounds '0 to 1'; write"),
    ],
)
def test_a_definition_that_cannot_be_applied_is_named(meta: dict[str, object], said: str) -> None:
    with pytest.raises(ContractError, match=said):
        registry.from_manifest(_manifest(**meta))


def test_a_manifest_older_than_the_project_is_written_anew(settings: Settings) -> None:
    path = dbt_runner.manifest_path(settings)
    whole = path.read_bytes()
    path.write_text('{"nodes": {}}', encoding="utf-8")
    # Younger than the project, so it is taken as it is: registries of tests and of nights.
    assert registry.load(settings).features == ()
    os.utime(path, (0, 0))
    assert registry.load(settings).features != ()
    assert path.read_bytes() == whole
