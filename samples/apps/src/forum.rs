//! The forum of the shop: a list of users, its own or one fetched from outside the mesh.

use std::sync::Arc;

use bytes::Bytes;
use http::{Method, StatusCode};
use serde_json::json;

use crate::client::{Client, forwarded};
use crate::server::{self, Answer, Call};

/// Settings of the forum.
#[derive(clap::Args)]
pub(crate) struct Settings {
    /// Where to listen.
    #[arg(long, env = "LISTEN_ADDR", default_value = "0.0.0.0:8080")]
    listen: String,
    /// `true`: answer with a list of one's own.
    #[arg(long, env = "LOCAL_USERS", default_value = "")]
    local_users: String,
}

const USERS: &str = "http://jsonplaceholder.typicode.com/users";

pub(crate) async fn run(settings: Settings) -> anyhow::Result<()> {
    let client = Arc::new(Client::default());
    let local = settings.local_users == "true";
    server::serve(&settings.listen, move |call| {
        let client = Arc::clone(&client);
        async move { answer(call, &client, local).await }
    })
    .await
}

async fn answer(call: Call, client: &Client, local: bool) -> Answer {
    match call.request.uri().path() {
        "/api/healthz" => server::reply(StatusCode::OK, "text/plain", ""),
        "/api/users" if local => server::reply(StatusCode::OK, "application/json", own_users()),
        "/api/users" => {
            let headers = forwarded(call.request.headers());
            match client
                .fetch(Method::GET, USERS, &headers, Bytes::new())
                .await
            {
                Ok(fetched) if fetched.status == StatusCode::OK => {
                    server::reply(StatusCode::OK, "application/json", fetched.body)
                }
                _ => server::reply(
                    StatusCode::INTERNAL_SERVER_ERROR,
                    "text/plain; charset=utf-8",
                    "error calling Users service\n",
                ),
            }
        }
        _ => server::reply(StatusCode::NOT_FOUND, "text/plain", "404 page not found\n"),
    }
}

fn own_users() -> String {
    json!([{
        "id": 1, "name": "Ada Example", "username": "ada", "email": "ada@example.com",
        "address": {"street": "Main Street", "suite": "1", "city": "Springfield",
                    "zipcode": "00001", "geo": {"lat": "0.0", "lng": "0.0"}},
        "phone": "555-0100", "website": "example.com",
        "company": {"name": "Example", "catchPhrase": "Made to be an example",
                    "bs": "examples"},
    }])
    .to_string()
}
