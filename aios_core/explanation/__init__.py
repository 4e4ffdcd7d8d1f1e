"""Why a model says what it says: of one ticket, and of a version as a whole."""
