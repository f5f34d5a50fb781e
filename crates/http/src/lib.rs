//! HTTP/1.1 codec, HTTP/2, bodies and header editing; no policy.
