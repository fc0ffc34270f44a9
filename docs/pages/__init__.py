"""One module for each generated page: what the code declares in, Markdown out."""
