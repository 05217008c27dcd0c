"""What publishes trained models: small weights, cards of how they came about and what they score, and the tables that
are written from these."""
