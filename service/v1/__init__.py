"""The protocol of TensorFlow Serving, which KServe and Vertex AI call version 1."""
