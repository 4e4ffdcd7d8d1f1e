"""The kind `encoder`: text to tokens, tokens to a sentence embedding, an embedding to calibrated probabilities."""
