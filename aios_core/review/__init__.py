"""What waits for a person: the states of a case, how cases become batches, and how long they may wait."""
