"""Rivals: other ways to make the same file, as people make such data today. Each yields Scenes, which
`gzip_files.write` stores with h5py alone."""
