"""Bad files of every kind: no crash, a reason for each, and the good file beside them lands."""

import hashlib
import json
import random
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from extracts.vault import nightly
from firmpulse.settings import Settings
from tests.extracts import corpus
from tests.extracts.corpus import BadFile
from tests.extracts.inbox import AS_OF, csv, permit, query
from tests.sizes import sized

_FILES, _PER_DELIVERY, _GOOD_ROWS = sized(200, 1_000), 20, 5


@pytest.fixture
def landed(settings: Settings) -> tuple[Settings, list[list[BadFile]], nightly.LandingReport]:
    """Land the corpus in one night; path tricks spoil a manifest, so they come separately."""
    bad = list(corpus.cases(20_240_331, _FILES))
    tricks = [file for file in bad if file.kind == "path trick"]
    others = [file for file in bad if file.kind != "path trick"]
    groups = [others[n : n + _PER_DELIVERY] for n in range(0, len(others), _PER_DELIVERY)]
    groups += [[trick] for trick in tricks]
    permit(settings)
    for number, group in enumerate(groups):
        _deliver(settings, number, group)
    return settings, groups, nightly.land(settings, "tax", AS_OF)


def test_bad_files_of_every_kind(
    landed: tuple[Settings, list[list[BadFile]], nightly.LandingReport],
) -> None:
    settings, groups, report = landed
    assert sum(map(len, groups)) == _FILES
    assert len(report.deliveries) == len(groups)
    refused_by_file = query(
        settings, "select delivery_id, file, reason from vault.ops.refused_files"
    )
    assert all(reason for *_, reason in refused_by_file)
    fates = {(delivery, file): reason for delivery, file, reason in refused_by_file}
    promised = _promised(groups)
    quarantined = Counter(
        query(settings, "select delivery_id, file from vault.ops.quarantine where rule is not null")
    )
    good = query(
        settings,
        "select l.delivery_id, count(*) from vault.raw.tax_payment as r "
        "inner join vault.ops.landed as l using (delivery_seq) "
        "where r.tax_item like 'good%' group by all",
    )
    whole = {d.delivery_id: d for d in report.deliveries}
    taken = {name for name, found in whole.items() if found.status == "landed"}
    assert dict(good) == dict.fromkeys(taken, _GOOD_ROWS)
    for name, found in whole.items():
        if name not in taken:
            assert found.problems
            continue
        (table,) = found.tables
        counts = table.counts
        group = groups[int(name.removeprefix("tax-"))]
        # The good file is the first of the manifest.
        lost = sum(_rows(group[file.number - 2]) for file in table.refused_files)
        assert promised[name] == (
            counts.landed + counts.duplicate + counts.refused_by_gate + counts.quarantined + lost
        )
    _assert_reasons(groups, whole, fates, quarantined)


def _assert_reasons(
    groups: list[list[BadFile]],
    whole: dict[str, Any],
    fates: dict[tuple[str, str], str],
    quarantined: "Counter[tuple[str, str]]",
) -> None:
    """Check that each bad file left a trace: its delivery, the file or its rows are refused."""
    unharmed = Counter[str]()
    for number, group in enumerate(groups):
        name = f"tax-{number}"
        for place, file in enumerate(group):
            key = (name, file.entry.get("name", f"bad{place}.{file.format}"))
            if whole[name].status == "landed" and key not in fates and not quarantined[key]:
                unharmed[file.kind] += 1
    # A changed byte can make another valid text or date; nothing else passes unnoticed.
    assert set(unharmed) <= {"random bytes"}, unharmed


def _deliver(settings: Settings, number: int, group: list[BadFile]) -> Path:
    folder = settings.inbox / "tax" / f"tax-{number}"
    folder.mkdir(parents=True)
    draw = random.Random(number)  # noqa: S311 — test data, not a secret
    rows = [line.replace(",", ",good", 1) for line in corpus.lines(draw, _GOOD_ROWS)]
    good = BadFile("good", "csv", csv(rows), _GOOD_ROWS)
    entries = [_write(folder, "good.csv", good)]
    entries += [_write(folder, f"bad{n}.{f.format}", f) for n, f in enumerate(group)]
    (folder / "link").symlink_to(folder / "good.csv")
    document = {
        "manifest_version": 1, "delivery_id": folder.name, "source": "tax", "provider": "test",
        "kind": "history", "period_start": "2024-01-01", "period_end": "2024-03-31",
        "delivered_at": "2024-03-31T22:00:00+08:00", "files": entries,
    }  # fmt: skip
    (folder / "manifest.json").write_text(json.dumps(document), encoding="utf-8")
    return folder


def _write(folder: Path, name: str, file: BadFile) -> dict[str, Any]:
    (folder / name).write_bytes(file.content)
    return {
        "name": name, "table": "tax_payment", "format": file.format,
        "sha256": hashlib.sha256(file.content).hexdigest(), "rows": file.rows, **file.entry,
    }  # fmt: skip


def _promised(groups: list[list[BadFile]]) -> Counter[str]:
    """Return the number of rows in each delivery's manifest."""
    return Counter(
        {
            f"tax-{number}": _GOOD_ROWS + sum(_rows(file) for file in group)
            for number, group in enumerate(groups)
        }
    )


def _rows(file: BadFile) -> int:
    return int(file.entry.get("rows", file.rows))
