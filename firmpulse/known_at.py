"""What was known on a day, as SQL; dbt's macros `known_at` do the same for facts and snapshots.

A row was known from `available_at` on. Facts and labels also end: `superseded_at` is the day on
which a newer version replaced them. Masked rows keep every version and have no end.
"""


def known_at(day: str = "$as_of", rows: str = "") -> str:
    """Return the condition that a row of a fact or a label was valid on a day.

    Args:
        day: a date in SQL; a parameter by default.
        rows: the alias of the rows, if the query needs it.
    """
    return f"{known_by(day, rows)} and {day} < {_column('superseded_at', rows)}"


def known_by(day: str = "$as_of", rows: str = "") -> str:
    """Return the condition that a row was known by a day, whether or not replaced since."""
    return f"{_column('available_at', rows)} <= {day}"


def _column(name: str, rows: str) -> str:
    return f"{rows}.{name}" if rows else name
