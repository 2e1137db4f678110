"""The model file's outside: tensor names, versions of the format, and where things lie in the model repository."""

from __future__ import annotations

MODEL_FILE = "model.onnx"
CARD_FILE = "card.json"

X_NUM = "x_num"
"""float32 `(n_samples, n_num)`; NaN means missing. Present where the model has numeric features."""
X_CAT = "x_cat"
"""string `(n_samples, n_cat)`; the empty string means missing. Present where the model has categorical features."""

LOGITS = "logits"
"""float32 `(n_samples, n_classes)`"""
PROBABILITIES = "probabilities"
"""float32 `(n_samples, n_classes)`; softmax of the logits"""
CLASS_INDEX = "class_index"
"""int64 `(n_samples,)`; argmax of the logits"""
OUTPUTS = (LOGITS, PROBABILITIES, CLASS_INDEX)

OPSET = 17
OPSET_ML = 3
IR_VERSION = 8
"""What onnxruntime 1.15 (2023), the oldest that was tried, and everything later reads."""
