"""One ticket in, one full decision out: the batch path's own code behind an HTTP route."""
