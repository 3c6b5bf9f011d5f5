//! Messages on a stream: a kind, a length, the bytes. Every length is checked before memory is allocated.

use std::io;

use futures::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use libp2p::StreamProtocol;
use libp2p::request_response;

/// Protocol name, with the version of this framing.
pub(super) const PROTOCOL: StreamProtocol = StreamProtocol::new("/starling/sync/1");
/// Longest request or one-way message, in bytes.
pub(super) const MAX_QUESTION_BYTES: usize = starling_sync::limits::MAX_REQUEST_BYTES;
/// Longest answer, in bytes.
pub(super) const MAX_ANSWER_BYTES: usize = starling_sync::limits::MAX_RESPONSE_BYTES;

const KIND_REQUEST: u8 = 1;
const KIND_TELLING: u8 = 2;

/// The kind of a message that opens a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Question {
    /// It expects an answer.
    Request(Vec<u8>),
    /// It expects no answer.
    Telling(Vec<u8>),
}

/// The codec of [`PROTOCOL`].
#[derive(Debug, Clone, Default)]
pub(super) struct Codec;

impl request_response::Codec for Codec {
    type Protocol = StreamProtocol;
    type Request = Question;
    type Response = Vec<u8>;

    async fn read_request<T>(&mut self, _: &StreamProtocol, stream: &mut T) -> io::Result<Question>
    where
        T: AsyncRead + Unpin + Send,
    {
        let mut kind = [0];
        stream.read_exact(&mut kind).await?;
        let bytes = read_bounded(stream, MAX_QUESTION_BYTES).await?;
        match kind[0] {
            KIND_REQUEST => Ok(Question::Request(bytes)),
            KIND_TELLING => Ok(Question::Telling(bytes)),
            other => Err(io::Error::new(
                io::ErrorKind::InvalidData,
                format!("message kind {other} is unknown"),
            )),
        }
    }

    async fn read_response<T>(&mut self, _: &StreamProtocol, stream: &mut T) -> io::Result<Vec<u8>>
    where
        T: AsyncRead + Unpin + Send,
    {
        read_bounded(stream, MAX_ANSWER_BYTES).await
    }

    async fn write_request<T>(
        &mut self,
        _: &StreamProtocol,
        stream: &mut T,
        question: Question,
    ) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        let (kind, bytes) = match question {
            Question::Request(bytes) => (KIND_REQUEST, bytes),
            Question::Telling(bytes) => (KIND_TELLING, bytes),
        };
        stream.write_all(&[kind]).await?;
        write_bounded(stream, &bytes, MAX_QUESTION_BYTES).await
    }

    async fn write_response<T>(
        &mut self,
        _: &StreamProtocol,
        stream: &mut T,
        bytes: Vec<u8>,
    ) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        write_bounded(stream, &bytes, MAX_ANSWER_BYTES).await
    }
}

async fn read_bounded<T: AsyncRead + Unpin + Send>(stream: &mut T, limit: usize) -> io::Result<Vec<u8>> {
    let mut length = [0; 4];
    stream.read_exact(&mut length).await?;
    let length = u32::from_be_bytes(length) as usize;
    if length > limit {
        let problem = format!("a message may have at most {limit} bytes, got {length}");
        return Err(io::Error::new(io::ErrorKind::InvalidData, problem));
    }
    // Grows with the data that arrives: an announced length costs nothing.
    let mut bytes = Vec::new();
    stream.take(length as u64).read_to_end(&mut bytes).await?;
    if bytes.len() < length {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(bytes)
}

async fn write_bounded<T: AsyncWrite + Unpin + Send>(
    stream: &mut T,
    bytes: &[u8],
    limit: usize,
) -> io::Result<()> {
    match u32::try_from(bytes.len()) {
        Ok(length) if bytes.len() <= limit => {
            stream.write_all(&length.to_be_bytes()).await?;
            stream.write_all(bytes).await?;
            stream.close().await
        }
        _ => Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            format!("a message may have at most {limit} bytes, got {}", bytes.len()),
        )),
    }
}
