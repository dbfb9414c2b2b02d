"""What a source gave becomes papers in the database: identity, repaired text, ingestion."""
