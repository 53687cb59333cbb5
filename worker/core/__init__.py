"""The science: spec -> blocks -> counts -> intervals -> certificates -> pictures. See pipeline.py for the order."""
