"""The engine, every table, and the migrations."""
