"""Other ways to the same file, as people make such data today. Each yields Scenes; `files.write` stores them through
h5py alone."""
