"""Step 2: understand a document; the only home of the heavy libraries."""
