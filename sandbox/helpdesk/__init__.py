"""The helpdesk's state: tickets as they stand, what agents do as the clock moves, and what clients have written."""
