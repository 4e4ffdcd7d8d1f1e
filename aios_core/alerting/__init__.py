"""Alerts: from signals to conditions, to what stands, to what people are told. Pure: no database, no clock, no network."""
