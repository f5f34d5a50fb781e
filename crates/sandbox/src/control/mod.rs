//! The socket over which commands talk to a running sandbox: one JSON request and one JSON answer
//! per connection. Only root may open it: it lies in a directory that is root's.

use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{mpsc, oneshot};
use tracing::debug;

use crate::supervisor::Question;
use crate::supervisor::StatusReport;

/// The longest request.
const REQUEST_MAX: u64 = 4 << 10;

/// A request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Request {
    /// How does it stand?
    Status,
    /// End everything.
    Stop,
}

/// A sandbox that does not answer.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// Nobody listens.
    #[error("no sandbox answers at {path}: {source}; is it running? (`meshctl sandbox list`)")]
    Connect {
        /// The socket.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// The talk broke off.
    #[error("the sandbox did not answer: {0}")]
    Talk(#[from] io::Error),
    /// The answer is not understood.
    #[error("the answer of the sandbox is not understood: {0}; are both of the same version?")]
    Answer(#[from] serde_json::Error),
}

/// Listens at `path` and passes questions on.
pub(crate) fn serve(path: &Path, questions: mpsc::Sender<Question>) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(path)?;
    tokio::spawn(async move {
        loop {
            tokio::select! {
                () = questions.closed() => return,
                accepted = listener.accept() => {
                    let Ok((stream, _)) = accepted else { continue };
                    let questions = questions.clone();
                    tokio::spawn(async move {
                        if let Err(error) = answer(stream, &questions).await {
                            debug!(%error, "a question was not answered");
                        }
                    });
                }
            }
        }
    });
    Ok(())
}

async fn answer(mut stream: UnixStream, questions: &mpsc::Sender<Question>) -> io::Result<()> {
    let mut line = String::new();
    let (read, _) = stream.split();
    BufReader::new(read.take(REQUEST_MAX))
        .read_line(&mut line)
        .await?;
    let gone = || io::Error::other("the sandbox is ending");
    let reply = match serde_json::from_str(&line).map_err(io::Error::other)? {
        Request::Status => {
            let (sender, reply) = oneshot::channel();
            questions
                .send(Question::Status(sender))
                .await
                .map_err(|_| gone())?;
            let report = reply.await.map_err(|_| gone())?;
            serde_json::to_vec(&report).map_err(io::Error::other)?
        }
        Request::Stop => {
            let (sender, reply) = oneshot::channel();
            questions
                .send(Question::Stop(sender))
                .await
                .map_err(|_| gone())?;
            reply.await.map_err(|_| gone())?;
            b"null".to_vec()
        }
    };
    stream.write_all(&reply).await
}

/// Asks the sandbox that listens at `path` how it stands.
///
/// # Errors
/// When it does not answer.
pub async fn status(path: &Path) -> Result<StatusReport, ControlError> {
    Ok(serde_json::from_slice(&ask(path, Request::Status).await?)?)
}

/// Ends the sandbox that listens at `path`, and waits until its pods are gone.
///
/// # Errors
/// When it does not answer.
pub async fn stop(path: &Path) -> Result<(), ControlError> {
    ask(path, Request::Stop).await.map(drop)
}

async fn ask(path: &Path, request: Request) -> Result<Vec<u8>, ControlError> {
    let connected = UnixStream::connect(path).await;
    let mut stream = connected.map_err(|source| ControlError::Connect {
        path: path.display().to_string(),
        source,
    })?;
    let mut line = serde_json::to_vec(&request)?;
    line.push(b'\n');
    stream.write_all(&line).await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    Ok(answer)
}
