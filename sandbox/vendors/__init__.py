"""Other vendors' helpdesks and CRMs over the same world: each below a path of its own, so that one port speaks all of them."""
