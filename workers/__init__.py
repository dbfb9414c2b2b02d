"""Celery: the application, the beat table, and tasks of a few lines that call the pipeline."""
