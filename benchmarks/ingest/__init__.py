"""`aios bench ingest`: how fast records come in, from files and over HTTP, and how much of a vendor's quota is used."""
