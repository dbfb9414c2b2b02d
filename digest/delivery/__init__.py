"""The ledger, the SMTP dialogue, and what comes back."""
