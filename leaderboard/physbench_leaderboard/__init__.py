"""The leaderboard: CSV files in, one ranked table out."""
