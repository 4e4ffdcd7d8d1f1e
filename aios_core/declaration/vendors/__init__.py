"""Vendors whose JSON APIs are read by declaration: one module each says where everything is."""
