"""Drives litet's Arrow route with httpx and polars: `python arrow.py HOST:PORT N_ROWS SECONDS`, as `triton.py` does.

From the rows as an array to the probabilities as one, so that both programs do the same.
"""

import io
import json
import sys
import time

import httpx
import numpy as np
import polars as pl

NAMES = ("sepal_length", "sepal_width", "petal_length", "petal_width")
TYPE = "application/vnd.apache.arrow.stream"


def main() -> None:
    """Drive and print."""
    address, n_rows, seconds = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
    x = np.random.default_rng(0).uniform(0.1, 7.9, (n_rows, 4)).round(1).astype(np.float32)
    took = []
    with httpx.Client(base_url=f"http://{address}", headers={"Content-Type": TYPE, "Accept": TYPE}) as client:
        end = time.perf_counter() + seconds
        while time.perf_counter() < end or len(took) < 3:
            started = time.perf_counter()
            body = io.BytesIO()
            pl.DataFrame(x, schema=NAMES).write_ipc_stream(body)
            answer = client.post("/predict?outputs=class_index,probabilities,logits", content=body.getvalue())
            probabilities = pl.read_ipc_stream(answer.content)["probabilities"].to_numpy()
            took.append((time.perf_counter() - started) * 1e6)
            assert probabilities.shape == (n_rows, 3)
    print(json.dumps(took[1:]))


if __name__ == "__main__":
    main()
