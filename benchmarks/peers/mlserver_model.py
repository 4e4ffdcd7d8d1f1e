"""The model behind MLServer: a runtime of its own, since MLServer's scikit-learn runtime would score twice for label and probabilities.

What belongs here: one request or batch in MLServer's types. What does not: scoring (`text_model.py`).
"""

import gc

from mlserver import MLModel, types
from text_model import TextModel


class TextClassifier(MLModel):
    """Open Inference Protocol: `text` in, `probabilities` and `label` out, as ours."""

    async def load(self) -> bool:
        self._model = TextModel.load(self.settings.parameters.uri)
        gc.collect()
        gc.freeze()  # collections that look at all of MLServer's and the model's objects doubled its p99
        return True

    async def predict(self, payload: types.InferenceRequest) -> types.InferenceResponse:
        found = self._model.probabilities(list(payload.inputs[0].data))
        rows, width = found.shape
        classes = self._model.classes
        return types.InferenceResponse(
            model_name=self.name,
            outputs=[
                types.ResponseOutput(
                    name="probabilities", shape=[rows, width], datatype="FP64", data=found.ravel().tolist()
                ),
                types.ResponseOutput(
                    name="label", shape=[rows, 1], datatype="BYTES", data=[classes[i] for i in found.argmax(axis=1)]
                ),
            ],
        )
