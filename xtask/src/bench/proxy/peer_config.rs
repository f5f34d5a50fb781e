//! The same set-ups for HAProxy and nginx, in their own words.
//!
//! Where we and Envoy give a request an identity and say whom it came from, so do they: each does
//! the same duties.

use super::case::Shape;
use super::setup::{Certificates, Upstream};

/// HAProxy, one thread.
pub fn haproxy(shape: Shape, port: u16, upstream: Upstream, certificates: &Certificates) -> String {
    let mode = if shape == Shape::Tcp { "tcp" } else { "http" };
    let (reuse, duties) = match shape {
        Shape::Tcp => ("", ""),
        _ => (
            "  http-reuse always\n",
            "  option forwardfor\n  http-request set-header x-forwarded-proto http\n  \
             http-request set-header x-request-id %[uuid()]\n",
        ),
    };
    let combined = certificates.combined();
    let combined = combined.display();
    let (bind, server, to) = match shape {
        Shape::Http2 => (" proto h2".to_owned(), " proto h2", upstream.http2),
        Shape::Tls => (format!(" ssl crt {combined}"), "", upstream.http1),
        Shape::Tcp => (String::new(), "", upstream.bulk),
        _ => (String::new(), "", upstream.http1),
    };
    format!(
        "global\n  nbthread 1\n  maxconn 4000\ndefaults\n  mode {mode}\n  timeout connect 5s\n  \
         timeout client 60s\n  timeout server 60s\n{reuse}frontend f\n  bind 127.0.0.1:{port}{bind}\n{duties}  \
         default_backend b\nbackend b\n  server s 127.0.0.1:{to}{server}\n"
    )
}

/// nginx, one worker.
pub fn nginx(
    shape: Shape,
    port: u16,
    upstream: Upstream,
    certificates: &Certificates,
    folder: &std::path::Path,
) -> String {
    let folder = folder.display();
    let to = upstream.http1;
    let tls = if shape == Shape::Tls { " ssl" } else { "" };
    let certificate = if shape == Shape::Tls {
        let (chain, key) = (certificates.chain.display(), certificates.key.display());
        format!(
            "ssl_certificate {chain}; ssl_certificate_key {key}; ssl_session_cache shared:s:10m; \
             ssl_protocols TLSv1.2 TLSv1.3;"
        )
    } else {
        String::new()
    };
    format!(
        "worker_processes 1;\ndaemon off;\npid {folder}/nginx-{port}.pid;\nerror_log \
         {folder}/nginx-{port}.err;\nevents {{ worker_connections 8192; }}\nhttp {{\n  access_log \
         off;\n  keepalive_requests 1000000000;\n  upstream u {{ server 127.0.0.1:{to}; keepalive \
         1024; keepalive_requests 1000000000; }}\n  server {{\n    listen 127.0.0.1:{port}{tls};\n    \
         {certificate}\n    location / {{ proxy_pass http://u; proxy_http_version 1.1; \
         proxy_set_header Connection \"\"; proxy_set_header X-Forwarded-For \
         $proxy_add_x_forwarded_for; proxy_set_header X-Forwarded-Proto $scheme; \
         proxy_set_header X-Request-Id $request_id; }}\n  }}\n}}\n"
    )
}
