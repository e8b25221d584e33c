"""By what mechanism a low-rank network works."""
