"""`edgert demo`: a scene through the pipeline, timed, judged and shown."""
