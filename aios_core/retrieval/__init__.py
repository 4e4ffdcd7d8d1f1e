"""Knowledge: articles to passages, passages to an index, a question to what answers it."""
