"""Whose ticket is it: a requester of one system joined to the customers of all the others; no I/O."""
