"""The kind `tabular`: fitting, exporting and comparing models over customer facts."""
