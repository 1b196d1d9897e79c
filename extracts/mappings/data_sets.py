"""Data sets that were published: the included mappings that list their firms."""

import csv
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pyarrow.compute
import pyarrow.parquet

from consent import audit, datasets
from extracts import contracts
from extracts.grants.values import tidy
from extracts.mappings import delivering, files, trial
from extracts.mappings.model import ExportMapping
from firmpulse.calendar import CHINA
from firmpulse.errors import ConfigurationError, ContractError
from firmpulse.settings import Settings
from firmpulse.sources import GRANTED_SOURCES


def delivered_on(settings: Settings, name: str) -> date:
    """Return the day on which a data set was handed over, in China.

    Raises:
        ConfigurationError: there is no such mapping, or it is not of a data set.
    """
    mapping = files.load(settings, name)
    if mapping.delivered_at is None:
        raise ConfigurationError(f"the mapping {name} has no delivered_at; it is of no data set")
    return mapping.delivered_at.astimezone(CHINA).date()


def deliver(settings: Settings, name: str, folder: Path) -> list[str]:
    """Put the files of `folder` into the inbox and record grants for their firms.

    Returns:
        The delivery ids.

    Raises:
        NotReadyError: a file of the data set is not in the folder.
        ContractError: a file would be refused.
    """
    mapping = files.load(settings, name)
    tried = trial.run(settings, mapping, folder)
    delivered = delivering.deliver(settings, name, mapping, tried)
    known = contracts.load()
    sources = dict.fromkeys(known[part.table].source for part in mapping.files)
    if granted := [source for source in sources if source in GRANTED_SOURCES]:
        datasets.grant(
            settings,
            dict(enumerate(sorted(set(_firms(mapping, folder))), 1)),
            granted,
            because="the data set was published for research and teaching",
            actor=audit.actor(),
            text_version=datasets.OPEN_DATA,
        )
    return [delivery.delivery_id for delivery in delivered]


def _firms(mapping: ExportMapping, folder: Path) -> Iterator[str]:
    """Return the firms of the list; a line without one names none."""
    if mapping.firms is None:
        return iter(())
    path = folder / mapping.firms.file
    if path.suffix == ".parquet":
        column = pyarrow.parquet.read_table(path, columns=[mapping.firms.header]).column(0)
        values = pyarrow.compute.unique(column).to_pylist()
    else:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.DictReader(stream)
            if mapping.firms.header not in (reader.fieldnames or ()):
                raise ContractError(
                    f"{path.name} has no column {mapping.firms.header}, which lists the firms; "
                    f"correct `firms` of the mapping"
                )
            values = [record[mapping.firms.header] for record in reader]
    texts = (tidy("" if value is None else str(value)) for value in values)
    return (f"{mapping.id_scheme}:{text}" for text in texts if text)
