"""Which layers run in INT8, and the model that says so."""
