"""The parts of a declaration that have a module of their own; `aios_core/automation.py` joins them."""
