"""A pretend helpdesk and CRM that speak the real vendors' HTTP, with a seeded telecom world behind them.

Alone on purpose: nothing here imports the rest of the project, and the rest of the project speaks HTTP to it.
"""
