"""Full-RAG: turns uploaded documents into AI analysis, asynchronously and without losing one."""
