"""The store, the queue, the worker processes and the embedded server, with a real server and real processes."""
