"""Drift, quality against outcomes, the verdict about a degrading model, and the value of an automation: pure functions."""
