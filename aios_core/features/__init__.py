"""Point-in-time model inputs: ticket text joined with the customer facts known when the ticket arrived."""
