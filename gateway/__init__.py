"""One FastAPI app: the review console, health and metrics. It starts without importing Dagster."""
