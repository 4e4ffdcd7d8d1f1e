"""Events: what happened, told to other systems as CloudEvents. Envelope, signature, types and their schemas; no I/O."""
