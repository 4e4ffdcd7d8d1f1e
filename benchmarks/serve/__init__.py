"""Online inference under load: ours beside MLServer and BentoML, with moves of the alias and overload (`aios bench serve`)."""
