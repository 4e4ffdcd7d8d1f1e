"""The console's pages: a router a noun. Rules stay out of them: they call stores and render what these answer."""
