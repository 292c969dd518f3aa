"""From a trained network to a file: ONNX, quantization, chunks, model information."""
