"""LitServe's documented class, with its defaults: one worker, no batching. `litserve_app.py PORT`."""

import os
import sys

import litserve as ls
import numpy as np
import onnxruntime as ort

LABELS = ("setosa", "versicolor", "virginica")
OUTPUTS = ("logits", "probabilities", "class_index")


class Iris(ls.LitAPI):
    """Rows of four numbers → labels, probabilities, logits."""

    def setup(self, device: str) -> None:  # noqa: ARG002 # LitServe's signature
        """Load the model, in the worker's process."""
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        self.session = ort.InferenceSession(os.environ["MODEL"], options, providers=["CPUExecutionProvider"])

    def decode_request(self, request: dict[str, list[list[float]]]) -> np.ndarray:
        """JSON → array."""
        return np.array(request["instances"], np.float32)

    def predict(self, x: np.ndarray) -> list[np.ndarray]:
        """Array → the graph's outputs."""
        return self.session.run(OUTPUTS, {"x_num": x})

    def encode_response(self, output: list[np.ndarray]) -> dict[str, object]:
        """Outputs → JSON."""
        logits, probabilities, class_index = (array.tolist() for array in output)
        rows = zip(class_index, probabilities, logits, strict=True)
        return {
            "predictions": [
                {"label": LABELS[index], "class_index": index, "probabilities": some, "logits": more}
                for index, some, more in rows
            ]
        }


if __name__ == "__main__":
    server = ls.LitServer(Iris(), accelerator="cpu")
    server.run(
        host="127.0.0.1", port=int(sys.argv[1]), log_level="warning", access_log=False, generate_client_file=False
    )
