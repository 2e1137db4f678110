"""The Open Inference Protocol, version 2, over gRPC: the extra `grpc`, imported only where a port is set for it."""
