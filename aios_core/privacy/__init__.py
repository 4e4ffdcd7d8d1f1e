"""What may be shown and kept: masking of personal data."""
