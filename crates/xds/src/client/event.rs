//! What the consumer of an ADS stream says and hears.

use ferromesh_proto::google::protobuf::Any;

/// A wish or a verdict of the consumer.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// Changes the names subscribed to of one type.
    Subscribe {
        /// The type.
        type_url: String,
        /// Names to add.
        add: Vec<String>,
        /// Names to give up; what was held under them is forgotten.
        remove: Vec<String>,
    },
    /// Subscribes to every resource of a type.
    Wildcard(String),
    /// The update was compiled and is in force.
    Ack {
        /// The update's type.
        type_url: String,
        /// The update's nonce.
        nonce: String,
    },
    /// The update was refused; what was in force stays.
    Nack {
        /// The update's type.
        type_url: String,
        /// The update's nonce.
        nonce: String,
        /// Why, in words for whoever wrote the config.
        detail: String,
    },
}

/// Something that happened on the stream.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// A stream is open; the subscriptions were sent.
    Connected,
    /// Resources came.
    Update(TypeUpdate),
    /// The stream ended; the client reconnects by itself.
    Disconnected {
        /// What ended it.
        reason: String,
    },
}

/// Resources of one type, as one response brought them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TypeUpdate {
    /// The type.
    pub type_url: String,
    /// The server's version of the whole.
    pub version: String,
    /// To be named in the ACK or NACK.
    pub nonce: String,
    /// New or changed resources.
    pub resources: Vec<NamedResource>,
    /// Names of resources that are gone.
    pub removed: Vec<String>,
    /// Whether `resources` is everything there is: what it does not list is gone.
    pub full: bool,
}

/// One resource.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NamedResource {
    /// Its name; empty for the types that have none.
    pub name: String,
    /// Its version.
    pub version: String,
    /// The message.
    pub body: Any,
}
