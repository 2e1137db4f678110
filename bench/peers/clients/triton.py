"""Drives a server with tritonclient: `python triton.py HOST:PORT N_ROWS SECONDS [--json]`, else with binary tensors.

Prints how long each request took, from the rows as an array to the probabilities as one, in microseconds.
"""

import json
import sys
import time

import numpy as np
from tritonclient.http import InferenceServerClient, InferInput, InferRequestedOutput


def main() -> None:
    """Drive and print."""
    address, n_rows, seconds = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
    x = np.random.default_rng(0).uniform(0.1, 7.9, (n_rows, 4)).round(1).astype(np.float32)
    # MLServer's answer has more than the outputs that it is asked for; litet's own names are asked for of both.
    is_binary = "--json" not in sys.argv
    outputs = [InferRequestedOutput(name, binary_data=is_binary) for name in ("class_index", "probabilities", "logits")]
    client = InferenceServerClient(address)
    took = []
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(took) < 3:
        started = time.perf_counter()
        given = InferInput("x_num", list(x.shape), "FP32")
        given.set_data_from_numpy(x, binary_data=is_binary)
        answer = client.infer("iris", [given], outputs=outputs)
        probabilities = answer.as_numpy("probabilities")
        took.append((time.perf_counter() - started) * 1e6)
        assert probabilities.shape == (n_rows, 3)
    print(json.dumps(took[1:]))  # the first one connects


if __name__ == "__main__":
    main()
