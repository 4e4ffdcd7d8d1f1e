"""Online inference: the Open Inference Protocol over the registry's model versions, fast and bounded."""
