//! One row: config, endpoint, client, what must show on both, and where ours knowingly differs.

use std::ops::RangeInclusive;

use serde_json::Value;

use super::client::Step;
use super::endpoint::{Act, Endpoint};
use super::way::Way;

/// A row.
pub struct Row {
    /// Its name, a sentence.
    pub name: &'static str,
    /// How the client gets to the listener.
    pub way: Way,
    /// The filter chain's transport, where it is not that of the way.
    pub transport: Option<Value>,
    /// Laid over the listener.
    pub listener: Value,
    /// A TCP proxy instead of the connection manager, with these fields.
    pub tcp: Option<Value>,
    /// Laid over the connection manager.
    pub manager: Value,
    /// Laid over the virtual host.
    pub host: Value,
    /// Laid over the action of the one route.
    pub action: Value,
    /// More that the access log says, by key.
    pub log: Value,
    /// Laid over the cluster; `Null` leaves the cluster out.
    pub cluster: Option<Value>,
    /// What stands behind the cluster.
    pub endpoint: Endpoint,
    /// What the client does.
    pub client: Vec<Step>,
    /// Places and their values that both must show (ours alone where a note is).
    pub shows: Vec<(&'static str, &'static str)>,
    /// Places whose values are numbers that need not be the same, where both must be, and why.
    pub within: Vec<(&'static str, RangeInclusive<u64>, &'static str)>,
    /// Places where ours differs, and why.
    pub notes: Vec<(&'static str, &'static str)>,
    /// Lines that the access log will have.
    pub lines: usize,
}

/// A row that forwards to an endpoint that answers 200; builder methods change that.
pub fn row(name: &'static str) -> Row {
    Row {
        name,
        way: Way::Plain,
        transport: None,
        listener: Value::Null,
        tcp: None,
        manager: Value::Null,
        host: Value::Null,
        action: Value::Null,
        log: Value::Null,
        cluster: Some(Value::Null),
        endpoint: Endpoint::default(),
        client: Vec::new(),
        shows: Vec::new(),
        within: Vec::new(),
        notes: Vec::new(),
        lines: 1,
    }
}

impl Row {
    /// Says how the client gets to the listener.
    pub fn way(mut self, way: Way) -> Self {
        self.way = way;
        self
    }

    /// Puts another transport into the place of the one that the way has.
    pub fn transport(mut self, socket: Value) -> Self {
        self.transport = Some(socket);
        self
    }

    /// Lays fields over the listener.
    pub fn listener(mut self, fields: Value) -> Self {
        self.listener = fields;
        self
    }

    /// Puts a TCP proxy with these fields into the place of the connection manager.
    pub fn tcp(mut self, fields: Value) -> Self {
        self.tcp = Some(fields);
        self
    }

    /// Lets the access log say more. What differs from run to run has a key that begins with `any`.
    pub fn log(mut self, fields: Value) -> Self {
        self.log = fields;
        self
    }

    /// Lays fields over the connection manager.
    pub fn manager(mut self, fields: Value) -> Self {
        self.manager = fields;
        self
    }

    /// Lays fields over the virtual host.
    pub fn host(mut self, fields: Value) -> Self {
        self.host = fields;
        self
    }

    /// Lays fields over the route's action.
    pub fn action(mut self, fields: Value) -> Self {
        self.action = fields;
        self
    }

    /// Lays fields over the cluster.
    pub fn cluster(mut self, fields: Value) -> Self {
        self.cluster = Some(fields);
        self
    }

    /// Leaves the cluster that the route names out.
    pub fn without_cluster(mut self) -> Self {
        self.cluster = None;
        self
    }

    /// Says what the endpoint does on every connection.
    pub fn endpoint(mut self, acts: Vec<Act>) -> Self {
        self.endpoint = Endpoint::Scripted(vec![acts]);
        self
    }

    /// Says what the endpoint does on the first connection, the second and so on.
    pub fn endpoints(mut self, connections: Vec<Vec<Act>>) -> Self {
        self.endpoint = Endpoint::Scripted(connections);
        self
    }

    /// The endpoint speaks HTTP/2 and gives every request this answer.
    pub fn http2_endpoint(mut self, answer: &'static str) -> Self {
        self.endpoint = Endpoint::Http2(answer);
        self
    }

    /// The endpoint speaks HTTP/1.1 over TLS.
    pub fn tls_endpoint(mut self) -> Self {
        self.endpoint = Endpoint::Tls;
        self
    }

    /// Nothing listens where the cluster points.
    pub fn refusing(mut self) -> Self {
        self.endpoint = Endpoint::Refusing;
        self
    }

    /// Sends bytes.
    pub fn send(mut self, bytes: &'static str) -> Self {
        self.client.push(Step::Send(bytes.to_owned()));
        self
    }

    /// Sends bytes that are made up.
    pub fn send_made(mut self, bytes: String) -> Self {
        self.client.push(Step::Send(bytes));
        self
    }

    /// Sends a GET request for `path` with more header lines.
    pub fn get(self, path: &str, lines: &[&str]) -> Self {
        let more: String = lines.iter().map(|line| format!("{line}\r\n")).collect();
        let request = format!("GET {path} HTTP/1.1\r\nHost: shop.example\r\n{more}\r\n");
        self.send_made(request).answers(1)
    }

    /// Waits until `count` answers have come since the last such step.
    pub fn answers(mut self, count: usize) -> Self {
        self.client.push(Step::Answers(count));
        self
    }

    /// Waits until these bytes have come.
    pub fn until(mut self, text: &'static str) -> Self {
        self.client.push(Step::Until(text));
        self
    }

    /// Lets time pass.
    pub fn pause(mut self, millis: u64) -> Self {
        self.client.push(Step::Pause(millis));
        self
    }

    /// Ends the client's sending.
    pub fn half_close(mut self) -> Self {
        self.client.push(Step::HalfClose);
        self
    }

    /// Leaves.
    pub fn leave(mut self) -> Self {
        self.client.push(Step::Leave);
        self
    }

    /// Names a place and the value that it must show on both.
    pub fn shows(mut self, place: &'static str, value: &'static str) -> Self {
        self.shows.push((place, value));
        self
    }

    /// Says why the numbers at a place need not be the same, and between which bounds both must be.
    pub fn within(
        mut self,
        place: &'static str,
        bounds: RangeInclusive<u64>,
        why: &'static str,
    ) -> Self {
        self.within.push((place, bounds, why));
        self
    }

    /// What a local reply shows in the answer and in the log.
    pub fn reply(self, code: &'static str, flags: &'static str, details: &'static str) -> Self {
        let flags = if flags.is_empty() { "-" } else { flags };
        self.shows("log[0].code", code)
            .shows("log[0].flags", flags)
            .shows("log[0].details", details)
    }

    /// Notes that ours differs at a place, and why.
    pub fn note(mut self, place: &'static str, why: &'static str) -> Self {
        self.notes.push((place, why));
        self
    }

    /// Notes the same for several places.
    pub fn notes(mut self, places: &[&'static str], why: &'static str) -> Self {
        self.notes.extend(places.iter().map(|place| (*place, why)));
        self
    }

    /// How many lines the access log will have.
    pub fn lines(mut self, lines: usize) -> Self {
        self.lines = lines;
        self
    }
}
