"""Offline: a table → a trained network → one ONNX file, evaluated and published. torch lives here and nowhere else."""
