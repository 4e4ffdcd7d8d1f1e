"""What the peers serve: the same scikit-learn model behind MLServer and BentoML, in an environment of their own (`.venv-peers`)."""
