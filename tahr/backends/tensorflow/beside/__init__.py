"""What TensorFlow does for programs on any backend: its data pipelines and its SavedModels."""
