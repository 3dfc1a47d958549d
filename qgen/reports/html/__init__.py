"""A toolkit for self-contained HTML pages: markup, documents, charts and images."""
