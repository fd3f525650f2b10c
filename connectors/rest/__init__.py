"""Web APIs: requests that endure, pages, windows, and JSON that becomes Arrow."""
