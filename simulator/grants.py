"""Which firm granted which source, and from when; and what providers send without a grant."""

import json
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np

from firmpulse.calendar import add_months
from firmpulse.sources import GRANTED_SOURCES, MAIN_SOURCES
from simulator.economy import Stage, epoch_day, from_epoch_day
from simulator.founding import opened_day
from simulator.population import Bools, Ints
from simulator.supplements import light_assets
from simulator.world import World

# Half of the young firms grant their founders' credit, three in four light ones their projects,
# and three in five of all firms what is public of them.
_FOUNDERS_CYCLE, _PROJECTS_CYCLE = 2, 4
_PUBLIC, _PUBLIC_CYCLE = 3, 5
# Version of the text that is signed; the first one does not name public records.
_TEXTS = {source: "2026-01" for source in GRANTED_SOURCES} | {"public_records": "2026-11"}
_PURPOSES = ("POST_LOAN_MONITOR", "MODEL_TRAINING")
NEVER = 10**6  # days since 1970
_SENT_TOO_EARLY = 60  # days before a later window that the bank sends anyway
_YEARS = 5
# Three in five firms let the bank keep results it has used.
_KEEPERS, _KEEP_CYCLE = 3, 5


@dataclass(frozen=True)
class Grants:
    """Grants per source and firm in days since 1970, arrays (firms,) keyed by source."""

    valid_from: dict[str, Ints]  # NEVER if the source is not granted
    window_start: dict[str, Ints]
    handed_over_from: dict[str, Ints]  # earliest event the provider sends, NEVER for none
    plain: Bools  # firms whose grants cover all rows; only their rows are spoiled

    def refused(
        self, source: str, firm: Ints, event: Ints | None, night: int
    ) -> tuple[Bools, Bools]:
        """Return which rows have no live grant, and which are outside the window of their grant."""
        ungranted: Bools = self.valid_from[source][firm] > night
        if event is None:
            return ungranted, np.zeros(len(firm), dtype=np.bool_)
        outside: Bools = ~ungranted & (event < self.window_start[source][firm])
        return ungranted, outside


def draw_grants(world: World) -> Grants:
    """Return the grants of an economy; a function of seed and firms only."""
    rng = world.economy.rng(Stage.GRANTS)
    count = len(world.firms)
    draw = rng.random(count)
    nothing, some, later = draw < 0.02, (draw >= 0.02) & (draw < 0.06), draw > 0.96
    nothing[0], later[1], some[0] = True, True, False  # at least one of each in small economies
    nothing[1] = some[1] = later[0] = False
    chosen = rng.random((len(MAIN_SOURCES), count)) < 0.6
    chosen[rng.integers(0, len(MAIN_SOURCES), count), np.arange(count)] = True
    begin = _consent_days(world)
    joins = rng.integers(7, 13, count)
    months = np.array([world.day(month) for month in range(14)])
    valid, window, sent = {}, {}, {}
    for number, source in enumerate(MAIN_SOURCES):
        granted = ~nothing & (~some | chosen[number])
        valid[source] = np.where(granted, begin, NEVER)
        window[source] = begin
        sent[source] = np.where(granted | nothing, 0, NEVER)
        if source == "bank":  # some banks open half a year of history, and nothing before
            late = later & granted & (world.firms.born < 0)
            valid[source] = np.where(late, months[joins], valid[source])
            window[source] = np.where(late, months[joins - 6], window[source])
            early = months[joins - 6] - _SENT_TOO_EARLY
            sent[source] = np.where(late, early, sent[source])
    turn = np.arange(count)
    supplements = {
        "founder_credit": (world.firms.born >= 0) & (turn % _FOUNDERS_CYCLE == 0),
        "project_contracts": light_assets(world) & (turn % _PROJECTS_CYCLE != 0),
        "public_records": turn // 5 % _PUBLIC_CYCLE < _PUBLIC,
    }
    for source, offered in supplements.items():
        granted = ~nothing & offered
        valid[source] = np.where(granted, begin, NEVER)
        window[source] = begin
        sent[source] = np.where(granted, 0, NEVER)
    return Grants(valid, window, sent, plain=~nothing & ~some & ~later)


def _consent_days(world: World) -> Ints:
    """Return the first day of the month in which each firm was founded, or of the first month."""
    founded = opened_day(world)
    firsts = [epoch_day(from_epoch_day(day).replace(day=1)) for day in founded.tolist()]
    days: Ints = np.maximum(np.array(firsts, dtype=np.int64), world.day(0))
    return days


def grant_lines(world: World, grants: Grants, through: date, since: date | None) -> list[str]:
    """Return the grants signed by `through`, after `since`, as lines of JSON, one per purpose."""
    after = -NEVER if since is None else epoch_day(since)
    start = world.economy.start
    valid_to = (add_months(start, 12 * _YEARS) - timedelta(1)).isoformat()
    codes = world.uscc.to_list()
    lines: list[str] = []
    for number, source in enumerate(GRANTED_SOURCES):
        day = grants.valid_from[source]
        for firm in np.flatnonzero((day > after) & (day <= epoch_day(through))).tolist():
            valid_from = from_epoch_day(int(grants.valid_from[source][firm])).isoformat()
            window = from_epoch_day(int(grants.window_start[source][firm])).isoformat()
            for index, purpose in enumerate(_PURPOSES, 1):
                lines.append(json.dumps({
                    "authorization_id": f"A-{firm:06d}-{number + 1}{index}",
                    "firm": f"uscc:{codes[firm]}",
                    "source": source,
                    "purpose": purpose,
                    "recipient": "demo-bank",
                    "window_start": window,
                    "valid_from": valid_from,
                    "valid_to": valid_to,
                    "text_version": _TEXTS[source],
                    "keep_results": firm % _KEEP_CYCLE < _KEEPERS,
                    "separate_consent": source in ("bank", "founder_credit"),
                }))  # fmt: skip
    return lines
