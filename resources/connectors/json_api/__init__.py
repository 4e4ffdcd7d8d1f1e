"""JSON APIs over HTTP, read by declaration."""
