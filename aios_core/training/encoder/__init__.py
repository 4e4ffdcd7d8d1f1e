"""Making an encoder: a sentence-transformers folder to graphs, a head fitted on its embeddings, a version of both."""
