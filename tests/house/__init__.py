"""The repository checks itself: tidiness, documents, packaging."""
