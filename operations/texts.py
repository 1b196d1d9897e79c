"""How many bookings of a delivery have a text that no rule recognises, by the masked rows."""

from dataclasses import dataclass

from firmpulse import warehouse
from firmpulse.errors import FileHeldError
from firmpulse.settings import Settings

_COUNTED = """
    select
        count(*),
        count(*) filter (where category = 'unknown'),
        coalesce(
            sum(amount_cny) filter (where category = 'unknown') / nullif(sum(amount_cny), 0), 0
        )
    from warehouse.staging.stg_bank__txn
    where delivery_seq in (
        select delivery_seq from warehouse.ops.deliveries
        where source = 'bank' and delivery_id = ? and delivery_seq is not null
    )
"""


@dataclass(frozen=True)
class Texts:
    """Bookings of a delivery, and those of which neither type nor text is recognised."""

    bookings: int
    unknown: int
    # Of the amount in CNY, 0 to 1.
    unknown_amount_share: float

    @property
    def sentence(self) -> str:
        """What it means, with the next step."""
        return (
            f"{self.unknown:,} of {self.bookings:,} bookings ({self.unknown / self.bookings:.1%}, "
            f"{self.unknown_amount_share:.1%} of the amount) have a text that no rule recognises; "
            f"if they are many, ask the bank for its own type of booking (交易类型), or add its "
            f"words to dbt_project/narratives.yml"
        )


def of_delivery(settings: Settings, delivery_id: str) -> Texts | None:
    """Return the counts; None without masked bookings, or while a task holds the warehouse."""
    try:
        with warehouse.connect(settings) as connection:
            if not warehouse.is_built(connection, "staging.stg_bank__txn"):
                return None
            counted = connection.execute(_COUNTED, [delivery_id]).fetchall()[0]
    except FileHeldError:
        return None
    return Texts(*counted) if counted[0] else None
