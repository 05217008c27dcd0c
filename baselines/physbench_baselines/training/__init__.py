"""The one training loop: any network with a `loss`, a folder for each run, and a run that is killed goes on as if it
had not been."""
