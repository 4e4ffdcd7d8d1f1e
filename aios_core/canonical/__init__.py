"""The canonical entities and one mapper a vendor: raw payload in, entity or typed error out."""
