"""A network tried in float and in INT8: what each layer costs, and which stay in float."""
