"""The kind `onnx`: looking at a graph that was made elsewhere, judging it, and making a version of it."""
