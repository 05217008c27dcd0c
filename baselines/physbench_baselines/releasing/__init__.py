"""Publishing of trained models: smaller weights, cards with training and scores, and the tables made from the cards."""
