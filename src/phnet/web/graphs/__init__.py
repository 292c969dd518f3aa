"""The whole way of a picture as one ONNX graph: for where there is ONNX Runtime but no Python."""
