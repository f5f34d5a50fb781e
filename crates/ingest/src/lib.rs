//! Sources of config: directories of YAML, watched.
