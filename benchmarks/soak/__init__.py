"""`aios soak ingest`: every vendor at once on a bad day, with processes killed, and then a comparison with the truth."""
