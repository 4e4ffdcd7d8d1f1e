"""The world as one object: its customers, and every block of tickets with its columns and texts.

What belongs here: putting the parts together. What does not: state that moves with a clock (`sandbox/helpdesk/`).
"""

from collections.abc import Iterator

from sandbox.world.arrivals import Block, past_blocks
from sandbox.world.customers import Customers, draw_customers
from sandbox.world.phrasebook import phrasebook
from sandbox.world.spec import WorldSpec
from sandbox.world.tickets import TicketColumns, draw_tickets
from sandbox.world.writer import Text, Writer


class World:
    """Everything that follows from a `WorldSpec`. Holds no clock; the same questions always get the same answers."""

    def __init__(self, spec: WorldSpec) -> None:
        book = phrasebook()
        self.spec = spec
        self.book = book
        self.customers: Customers = draw_customers(
            spec, given=len(book.given), family=len(book.family), cities=len(book.cities)
        )
        self._writer = Writer(book)

    def past(self) -> Iterator[Block]:
        """The blocks of what happened before the clock starts, oldest first."""
        return past_blocks(self.spec)

    def columns(self, block: Block) -> TicketColumns:
        """What the tickets of a block are about."""
        return draw_tickets(self.spec, self.customers, block)

    def texts(self, block: Block, columns: TicketColumns) -> list[Text]:
        """Subject and body of every ticket of a block."""
        return list(self._writer.block(block, self.spec.seed, columns, self.customers))

    def name_of(self, customer: int) -> tuple[str, str]:
        """Given and family name."""
        customers = self.customers
        return self.book.given[customers.given[customer]], self.book.family[customers.family[customer]]

    def city_of(self, customer: int) -> str:
        """Where the customer lives; the CRM calls it the region."""
        return self.book.cities[int(self.customers.city[customer])]

    def email_of(self, customer: int) -> str:
        """The customer's address, in a domain that is reserved for examples (RFC 2606)."""
        given, family = self.name_of(customer)
        return f"{given}.{family}.{customer}@example.com".lower()
