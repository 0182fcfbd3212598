"""What the tests and tools know about the documentation: its pages, and how their Python runs."""
