"""What runs a worker: processes and their supervisor, the embedded server, image decoding, the explainer."""
