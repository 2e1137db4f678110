"""MLServer's documented custom runtime, for the Open Inference Protocol. Named in a `model-settings.json`."""

import os

import numpy as np
import onnxruntime as ort
from mlserver import MLModel
from mlserver.codecs import NumpyCodec, StringCodec
from mlserver.types import InferenceRequest, InferenceResponse

LABELS = ("setosa", "versicolor", "virginica")
OUTPUTS = ("logits", "probabilities", "class_index")


class Iris(MLModel):
    """Rows of four numbers → labels, probabilities, logits."""

    async def load(self) -> bool:
        """Load the model."""
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        self.session = ort.InferenceSession(os.environ["MODEL"], options, providers=["CPUExecutionProvider"])
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        """Answer rows."""
        x: np.ndarray = self.decode(payload.inputs[0], default_codec=NumpyCodec)
        logits, probabilities, class_index = self.session.run(OUTPUTS, {"x_num": x})
        return InferenceResponse(
            model_name=self.name,
            model_version=self.version,
            outputs=[
                StringCodec.encode_output("label", [LABELS[index] for index in class_index.tolist()]),
                NumpyCodec.encode_output("class_index", class_index),
                NumpyCodec.encode_output("probabilities", probabilities),
                NumpyCodec.encode_output("logits", logits),
            ],
        )
