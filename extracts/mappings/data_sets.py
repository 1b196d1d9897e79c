"""Data sets that were published: the included mappings that list their firms."""

import csv
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pyarrow.compute
import pyarrow.parquet

from consent.grants import Grant
from consent.intake import admit
from extracts import contracts
from extracts.mappings import delivering, files, trial
from extracts.mappings.model import ExportMapping
from firmpulse.calendar import CHINA
from firmpulse.errors import ConfigurationError, ContractError
from firmpulse.keys import keyring, tokens
from firmpulse.settings import Settings

# Published data has no ledger: what was published may be used, from any day on.
_TEXT_VERSION = "open-data"
_PURPOSES = ("CREDIT_EVAL", "MODEL_TRAINING")
_ALWAYS = (date(1990, 1, 1), date(2099, 12, 31))
_GRANTLESS_SOURCES = ("lender",)


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
    firms = sorted(set(_firms(mapping, folder)))
    admit(settings, _grants(settings, mapping, firms))
    return [delivery.delivery_id for delivery in delivered]


def _firms(mapping: ExportMapping, folder: Path) -> Iterator[str]:
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
    return (f"{mapping.id_scheme}:{value}" for value in values)


def _grants(settings: Settings, mapping: ExportMapping, firms: list[str]) -> Iterator[Grant]:
    key = keyring.load(settings, "token_key")
    begin, end = _ALWAYS
    known = contracts.load()
    for source in dict.fromkeys(known[part.table].source for part in mapping.files):
        if source in _GRANTLESS_SOURCES:
            continue
        for firm in firms:
            token = tokens.firm_token(key, firm)
            for purpose in _PURPOSES:
                yield Grant(
                    authorization_id=f"{_TEXT_VERSION}-{source}-{purpose}-{token}",
                    firm=firm,
                    source=source,
                    purpose=purpose,
                    recipient=settings.recipient,
                    window_start=begin,
                    valid_from=begin,
                    valid_to=end,
                    text_version=_TEXT_VERSION,
                )
