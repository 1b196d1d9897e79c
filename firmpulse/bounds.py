"""Bounds that several packages apply to firms, each defined once.

A firm's outcome after a date is bad if one of its loans is `DEFAULT_DAYS` or more past due at the
end of one of the next `OUTCOME_MONTHS` months, indeterminate from `ARREARS_DAYS` on, else good.

dbt's models read these numbers as variables of the same names in lower case.
"""

from collections.abc import Mapping
from types import MappingProxyType

ARREARS_DAYS, DEFAULT_DAYS = 30, 90
OUTCOME_MONTHS = 12
# A firm observed for fewer months has no training outcome and no score.
FEWEST_MONTHS = 3
# With fewer months a file is thin, and a founder's credit may supplement it.
THIN_BELOW_MONTHS = 6
# Two sources agree if their changes differ by at most this.
AGREE_WITHIN = 0.2
# Flows by category are not observed above this share of money in, or out, whose text matches no
# rule of narratives.yml.
BANK_UNKNOWN_SHARE = 0.2
# Figures of fewer firms are not shown: they would reveal these firms.
LEAST_FIRMS = 5

VARIABLES: Mapping[str, float] = MappingProxyType(
    {
        "arrears_days": ARREARS_DAYS,
        "default_days": DEFAULT_DAYS,
        "outcome_months": OUTCOME_MONTHS,
        "fewest_months": FEWEST_MONTHS,
        "thin_below_months": THIN_BELOW_MONTHS,
        "agree_within": AGREE_WITHIN,
        "bank_unknown_share": BANK_UNKNOWN_SHARE,
    }
)
