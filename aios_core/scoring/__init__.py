"""Text and customer facts to calibrated class probabilities: tokenizer, model versions, the batch stream."""
