"""The leaderboard: it reads CSV files of results and makes ranked tables."""
