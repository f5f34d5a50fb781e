//! Supervised tasks, drain, signals, backoff, snapshot publishing, debounce.
