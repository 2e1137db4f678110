"""BentoML's documented service class, with its defaults: one worker. Run by `bentoml serve bentoml_app:Iris`."""

import os
from typing import Annotated, Any

import bentoml
import numpy as np
import onnxruntime as ort
from bentoml.validators import DType, Shape

LABELS = ("setosa", "versicolor", "virginica")
OUTPUTS = ("logits", "probabilities", "class_index")


@bentoml.service(logging={"access": {"enabled": False}})
class Iris:
    """Rows of four numbers → labels, probabilities, logits."""

    def __init__(self) -> None:
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        self.session = ort.InferenceSession(os.environ["MODEL"], options, providers=["CPUExecutionProvider"])

    @bentoml.api
    async def predict(self, instances: Annotated[np.ndarray, DType("float32"), Shape((-1, 4))]) -> dict[str, Any]:
        """Answer rows."""
        outputs = self.session.run(OUTPUTS, {"x_num": instances})
        logits, probabilities, class_index = (array.tolist() for array in outputs)
        rows = zip(class_index, probabilities, logits, strict=True)
        return {
            "predictions": [
                {"label": LABELS[index], "class_index": index, "probabilities": some, "logits": more}
                for index, some, more in rows
            ]
        }
